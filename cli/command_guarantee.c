/* SPDX-License-Identifier: Apache-2.0
 *
 * `moaoff guarantee`: what the policy `adaptive` promises, from a running gateway or from its
 * journal. The page is the gateway's own (GET /v1/guarantee); here it becomes lines for a terminal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <yyjson.h>

#include "gateway/config.h"
#include "gateway/journal.h"

#include "ask.h"
#include "command.h"
#include "members.h"

#define CURVE_STEP 0.08 /* of the share kept, between two lines */

static struct {
    const char *config_path, *url, *ca_file, *journal_path;
    bool json;
} arguments;

static const struct option_row rows[] = {
    {.letter = 'c',
     .name = "config",
     .argument = "FILE",
     .help = "the gateway's configuration (YAML), which names the journal",
     .text = &arguments.config_path},
    {.name = "url",
     .argument = "URL",
     .help = "of a running gateway: http://127.0.0.1:8080; its key is taken from MOAOFF_API_KEY",
     .text = &arguments.url},
    {.name = "ca-file",
     .argument = "FILE",
     .help = "PEM file of certificates that https is verified against",
     .text = &arguments.ca_file},
    {.name = "json", .help = "the page as it is", .flag = &arguments.json},
    {.argument = "JOURNAL", .help = "the journal itself", .text = &arguments.journal_path},
};

/* ---- the page, to be freed; NULL after it was said what is wrong ---- */

static char *page_of_journal(const char *path)
{
    struct journal_kept kept;
    char why[512];
    if (journal_read_kept(path, &kept, why, sizeof(why))) {
        fprintf(stderr, "moaoff guarantee: %s\n", why);
        return NULL;
    }
    char *page = kept.page && kept.page[0] ? strdup(kept.page) : NULL;
    if (!page)
        fprintf(stderr,
                "moaoff guarantee: %s: nothing is kept yet; the policy adaptive has decided "
                "nothing, or less than a minute ago\n",
                path);
    journal_kept_done(&kept);
    return page;
}

static char *page_of_config(const char *path)
{
    struct config *config = command_config("guarantee", path, NULL, CONFIG_TO_LOOK);
    char *page = NULL;
    if (config && config->journal_path[0])
        page = page_of_journal(config->journal_path);
    else if (config)
        fprintf(stderr,
                "moaoff guarantee: %s: journal.path is not set; ask the running gateway with "
                "--url\n",
                path);
    config_free(config);
    return page;
}

/* ---- for a terminal ---- */

static double number(yyjson_val *object, const char *name)
{
    return yyjson_get_num(yyjson_obj_get(object, name));
}

static void print_standing(yyjson_val *root)
{
    yyjson_val *since = yyjson_obj_get(root, "since");
    if (!yyjson_is_true(yyjson_obj_get(root, "certified"))) {
        printf("NOT CERTIFIED. What would be:\n");
        return;
    }
    char when[32] = "";
    const time_t seconds = (time_t)yyjson_get_sint(since);
    struct tm local;
    localtime_r(&seconds, &local);
    strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &local);
    printf("CERTIFIED since %s\n", when);
}

static void print_numbers(yyjson_val *root)
{
    yyjson_val *audits = yyjson_obj_get(root, "audits");
    yyjson_val *requests = yyjson_obj_get(root, "by_requests");
    yyjson_val *drift = yyjson_obj_get(root, "drift");
    if (yyjson_is_true(yyjson_obj_get(root, "certified")))
        printf("  kept         %.1f %% of the audits, from a score of %.3f on\n",
               100 * number(root, "kept"), number(root, "threshold"));
    printf("  audits       %.0f counted, %.0f of them lost; %.0f others made the grid; %.0f wait "
           "for a label\n",
           number(audits, "counted"), number(audits, "lost"), number(audits, "for_grid"),
           number(audits, "waiting"));
    if (number(requests, "seen") > 0)
        printf("  by requests  %.1f %% of %.0f got an answer that differs (an estimate, not "
               "certified)\n",
               100 * number(requests, "share"), number(requests, "seen"));
    printf("  drift        %.1f, alarm at %.0f; %.0f so far, and %.0f shifts of scores\n",
           number(drift, "mean"), number(drift, "alarm_at"), number(drift, "alarms"),
           number(drift, "shifts"));
}

static void print_small(yyjson_val *root)
{
    yyjson_val *small = yyjson_obj_get(root, "small");
    if (yyjson_is_obj(small))
        printf("  half size    %s: %.0f audits, %.0f of them lost, at most %.2f %% by the eye; "
               "%.2f %% allowed\n",
               yyjson_is_true(yyjson_obj_get(small, "certified")) ? "certified" : "not certified",
               number(small, "counted"), number(small, "lost"), 100 * number(small, "bound"),
               100 * number(small, "alpha"));
}

static void print_obstacles(yyjson_val *root)
{
    yyjson_val *list = yyjson_obj_get(root, "obstacles"), *one;
    size_t i, n;
    yyjson_arr_foreach(list, i, n, one)
    {
        printf("%s  %s\n", i == 0 ? "\nWhat stands in the way\n" : "", yyjson_get_str(one));
    }
}

/* Not all of its fifty points. */
static void print_curve(yyjson_val *root)
{
    yyjson_val *curve = yyjson_obj_get(root, "curve"), *point;
    const bool certified = yyjson_is_true(yyjson_obj_get(root, "certified"));
    const bool has_own = yyjson_obj_get(root, "delta_kept") != NULL; /* not in older pages */
    const double bar = 1.0 / number(root, has_own ? "delta_kept" : "delta");
    double last = -1.0;
    bool holds = certified;
    size_t i, n;
    if (yyjson_arr_size(curve) > 0)
        printf("\n   kept   lost  bound  score from\n");
    yyjson_arr_foreach(curve, i, n, point)
    {
        holds = holds && number(point, "evidence") >= bar;
        if (i + 1 < n && number(point, "kept") < last + CURVE_STEP)
            continue;
        last = number(point, "kept");
        printf("  %4.0f %%  %4.1f %%  %4.1f %%  %.3f%s\n", 100 * last, 100 * number(point, "lost"),
               100 * number(point, "bound"), number(point, "threshold"),
               holds ? "  certified" : "");
    }
}

static int print_page(const char *page)
{
    yyjson_doc *doc = yyjson_read(page, strlen(page), YYJSON_READ_NOFLAG);
    yyjson_val *root = yyjson_doc_get_root(doc);
    const bool is_page = strcmp(member_text(root, "object"), "guarantee") == 0;
    if (!is_page) {
        fprintf(stderr, "moaoff guarantee: that is no page of a gateway\n");
    } else {
        print_standing(root);
        options_print_wrapped(member_text(root, "claim"), 2, stdout);
        print_numbers(root);
        print_small(root);
        print_obstacles(root);
        print_curve(root);
    }
    yyjson_doc_free(doc);
    return is_page ? EXIT_FINE : EXIT_FAILED;
}

static int run(void)
{
    const int n_named = (arguments.config_path != NULL) + (arguments.url != NULL) +
                        (arguments.journal_path != NULL);
    if (n_named != 1)
        return options_usage(&guarantee_command, "which gateway? Give --config, --url or JOURNAL.");
    char *page = arguments.url           ? ask_gateway("guarantee", arguments.url, "/v1/guarantee",
                                                       arguments.ca_file, NULL)
                 : arguments.config_path ? page_of_config(arguments.config_path)
                                         : page_of_journal(arguments.journal_path);
    int status = page ? EXIT_FINE : EXIT_FAILED;
    if (page && arguments.json)
        puts(page);
    else if (page)
        status = print_page(page);
    free(page);
    return status;
}

const struct command guarantee_command = {
    .name = "guarantee",
    .summary = "what the policy adaptive promises, and what stands in the way",
    .synopsis = "[OPTION]... [JOURNAL]",
    .description =
        "Prints the claim of the policy `adaptive` with its numbers: whether it is certified, how "
        "many answers of the edge are kept, the audits that it rests on, and what stands in the "
        "way of more. From the journal it is as of the last minute; of a running gateway as of "
        "now.\n\n"
        "A line of the curve: the share of audits that are kept from that score on, the share that "
        "are kept and differ, and the bound of that share at the same confidence, for the eye: "
        "certified is what says so.",
    .options = rows,
    .n_options = N_OPTIONS(rows),
    .run = run,
};
