/* SPDX-License-Identifier: Apache-2.0
 *
 * study/simulate.h against queues whose waiting times are known in closed form, and against itself:
 * nobody is lost, and the same seed gives the same figures.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "study/simulate.h"

#include "test.h"

/* Settings of a scenario, NULL at the end. */
static struct simulate_result run(const char *policy, const char *const *settings)
{
    static struct scenario s;
    struct simulate_policy p;
    struct simulate_result result;
    struct questions questions;
    char why[1200] = "";
    scenario_init(&s);
    for (size_t i = 0; settings[i]; i++) {
        if (scenario_set(&s, settings[i], why, sizeof(why)))
            fail_msg("%s", why);
    }
    if (simulate_policy_read(policy, &p, why, sizeof(why)) ||
        scenario_finish(&s, why, sizeof(why)) || questions_make(&s, &questions, why, sizeof(why)) ||
        simulate_run(&s, &questions, &p, &result, why, sizeof(why)))
        fail_msg("%s: %s", policy, why);
    assert_true(result.arrived == s.requests);
    assert_true(result.departed == s.requests);
    questions_done(&questions);
    result.policy = NULL;
    return result;
}

static struct simulate_result run_and_forget(const char *policy, const char *const *settings)
{
    struct simulate_result result = run(policy, settings);
    simulate_result_done(&result);
    return result;
}

/* Within the run's own interval, widened, which must be narrow enough to say something. */
static void mean_is(const struct simulate_result *r, double expected_ms)
{
    assert_true(r->half_width_ms < 0.03 * expected_ms);
    if (fabs(r->mean_ms - expected_ms) > 1.5 * r->half_width_ms)
        fail_msg("mean %.3f ms is not %.3f ms", r->mean_ms, expected_ms);
}

#define SETTINGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void one_exponential_server(void **unused)
{
    (void)unused;
    /* M/M/1: 1 / (mu - lambda) = 1 / (10 - 7) s */
    const struct simulate_result r =
        run_and_forget("edge", SETTINGS("requests=400000", "arrivals.rate=7",
                                        "edge.service=exponential", "edge.service_ms=100"));
    mean_is(&r, 1000.0 / 3.0);
    assert_true(fabs(r.busy[MOA_EDGE] - 0.7) < 0.01 && r.busy[MOA_CLOUD] == 0);
    /* its latency is exponentially distributed */
    assert_true(fabs(r.p50_ms / (log(2) * 1000 / 3) - 1) < 0.04);
    assert_true(fabs(r.p95_ms / (log(20) * 1000 / 3) - 1) < 0.04);
    assert_true(r.upload_bytes == 0 && r.all.to_cloud == 0 && !r.behind);
}

static void one_constant_server(void **unused)
{
    (void)unused;
    /* M/D/1: S + rho S / (2 (1 - rho)) = 100 + 0.7 100 / 0.6 */
    const struct simulate_result r = run_and_forget(
        "edge", SETTINGS("requests=400000", "arrivals.rate=7", "edge.service_ms=100"));
    mean_is(&r, 100 + 70 / 0.6);
}

static void servers_with_one_queue(void **unused)
{
    (void)unused;
    /* M/M/4 with 3.2 servers' worth of load: Erlang's C, P(wait) = 0.5964; W = C / (c mu - lambda)
     */
    const double a = 3.2;
    double sum = 0;
    double term = 1;
    for (int k = 0; k < 4; k++, term *= a / k)
        sum += term;
    const double wait = term / (1 - a / 4) / (sum + term / (1 - a / 4));
    assert_true(fabs(wait - 0.5964) < 1e-4);
    const struct simulate_result r =
        run_and_forget("edge", SETTINGS("requests=400000", "arrivals.rate=32", "edge.slots=4",
                                        "edge.service=exponential", "edge.service_ms=100"));
    mean_is(&r, 100 + 1000 * wait / (40 - 32));
}

static void a_call_to_the_cloud_takes_link_and_service(void **unused)
{
    (void)unused;
    /* 400 + 200 bytes around a picture of 60,000 bytes in base64, at 20 Mbit/s; slow start adds
     * 34.16 + 28.32 ms (see simulate_link.c). One a second: nobody waits. */
    const double upload_ms = (400 + 200 + 80000) * 8e-3 / 20;
    const struct simulate_result r =
        run_and_forget("cloud", SETTINGS("requests=1000", "arrivals.process=regular",
                                         "arrivals.rate=1", "cloud.service_ms=150"));
    assert_true(fabs(r.mean_ms - (62.48 + upload_ms + 40 + 150)) < 0.01);
    assert_true(fabs(r.p99_ms - r.p50_ms) < 0.01);
    const struct simulate_result warm = run_and_forget(
        "cloud", SETTINGS("requests=1000", "arrivals.process=regular", "arrivals.rate=1",
                          "cloud.service_ms=150", "link.slow_start=no", "gateway_ms=3"));
    assert_true(fabs(warm.mean_ms - (upload_ms + 40 + 150 + 3)) < 0.01);
    assert_true(warm.upload_bytes == 1000.0 * 80600 && warm.all.to_cloud == 1000);
}

/* Arrivals are the same whatever the policy; whoever cannot keep up is said to be behind. */
static void too_much_is_behind(void **unused)
{
    (void)unused;
    const struct simulate_result r = run_and_forget(
        "edge", SETTINGS("requests=20000", "arrivals.rate=12", "edge.service_ms=100"));
    const struct simulate_result other = run_and_forget(
        "cloud", SETTINGS("requests=20000", "arrivals.rate=12", "cloud.service_ms=10"));
    assert_true(r.behind && !other.behind);
    assert_true(r.elapsed_s == other.elapsed_s);
    assert_true(fabs(r.busy[MOA_EDGE] - 1) < 0.01);
}

static void boxes_share_a_cloud(void **unused)
{
    (void)unused;
    /* 50 boxes are one Poisson stream of 50 x 0.14 = 7 a second: M/D/1 again. */
    const struct simulate_result r = run_and_forget(
        "cloud", SETTINGS("requests=400000", "boxes=50", "arrivals.rate=0.14", "link.rtt_ms=0",
                          "link.mbps=1000000", "cloud.service_ms=100"));
    assert_true(fabs(r.busy[MOA_CLOUD] - 0.7) < 0.01);
    mean_is(&r, 100 + 70 / 0.6);
    const struct simulate_result two = run_and_forget(
        "cloud", SETTINGS("requests=100000", "boxes=50", "arrivals.rate=0.14", "link.rtt_ms=0",
                          "link.mbps=1000000", "cloud.service_ms=100", "cloud.engines=2"));
    assert_true(two.mean_ms < 130 && fabs(two.busy[MOA_CLOUD] - 0.35) < 0.01);
}

static void bursts_come_as_often_and_wait_longer(void **unused)
{
    (void)unused;
    const struct simulate_result r = run_and_forget(
        "edge", SETTINGS("requests=200000", "arrivals.rate=3", "arrivals.process=bursts",
                         "arrivals.burst=4", "edge.service_ms=100"));
    assert_true(fabs(r.elapsed_s / (200000 / 3.0) - 1) < 0.02);
    /* M/D/1 with batches of geometric size, mean b: S + rho S / (2 (1 - rho)) + (b - 1) S / (1 -
     * rho), where a batch of mean 4 has E[n (n - 1)] = 2 b (b - 1) */
    mean_is(&r, 100 + 0.3 * 100 / (2 * 0.7) + 3 * 100 / 0.7);
}

static void nobody_is_lost_in_an_outage(void **unused)
{
    (void)unused;
    const struct simulate_result r = run_and_forget(
        "cloud", SETTINGS("requests=20000", "arrivals.rate=3", "cloud.service_ms=50",
                          "link.outage_every_s=100", "link.outage_s=20", "edge.service_ms=20"));
    assert_true(r.failed_over > 100);
    /* An outage is 1 s in 6, the first 2 s of which are not noticed. */
    const double by_edge = r.all.answered_by_edge / r.all.n;
    assert_true(by_edge > 0.08 && by_edge < 0.2);
    assert_true(r.all.to_cloud < r.all.n && r.p50_ms < 250);
}

static void the_same_seed_gives_the_same(void **unused)
{
    (void)unused;
    static const char *const policies[] = {"paper", "perllm", "edge"};
    for (size_t i = 0; i < N_TESTS(policies); i++) {
        const char *const settings[] = {"requests=20000", "blocks=7", "arrivals.rate=8", NULL};
        const char *const other[] = {"requests=20000", "blocks=7", "arrivals.rate=8", "seed=2",
                                     NULL};
        struct simulate_result a = run(policies[i], settings);
        struct simulate_result b = run(policies[i], settings);
        struct simulate_result c = run(policies[i], other);
        assert_true(a.mean_ms == b.mean_ms && a.p99_ms == b.p99_ms && a.cost == b.cost);
        assert_memory_equal(&a.all, &b.all, sizeof(a.all));
        assert_memory_equal(a.blocks, b.blocks, 7 * sizeof(*a.blocks));
        assert_true(a.mean_ms != c.mean_ms);
        double n = 0;
        for (size_t k = 0; k < 7; k++)
            n += a.blocks[k].n;
        assert_true(n == 20000);
        simulate_result_done(&a);
        simulate_result_done(&b);
        simulate_result_done(&c);
    }
}

/* ---- with records ---- */

static char record_paths[2][64];

/* 500 questions: the edge is right where it is surer than 0.5 + i mod 50 / 100 ... */
static void write_records(void)
{
    FILE *out[2];
    for (int t = 0; t < 2; t++) {
        snprintf(record_paths[t], sizeof(record_paths[t]), "records-%ld-%d.jsonl", (long)getpid(),
                 t);
        out[t] = fopen(record_paths[t], "w");
        assert_non_null(out[t]);
    }
    for (int i = 0; i < 500; i++) {
        const double p = 0.5 + 0.001 * i;
        const int right = i >= 100;
        fprintf(out[0],
                "{\"item\":\"%d\",\"prompt\":\"What is %d?\",\"answer\":\"%s\",\"finish\":\"stop\","
                "\"correct\":%d,\"completion_tokens\":2,\"logprobs\":[{\"token\":\"x\","
                "\"logprob\":%.6f}]}\n",
                i, i, right ? "red" : "blue", right, log(p));
        fprintf(out[1],
                "{\"item\":\"%d\",\"prompt\":\"What is %d?\",\"answer\":\"Red.\",\"finish\":"
                "\"stop\",\"correct\":1,\"completion_tokens\":2,\"logprobs\":null}\n",
                i, i);
    }
    for (int t = 0; t < 2; t++)
        fclose(out[t]);
}

static void remove_records(void)
{
    for (int t = 0; t < 2; t++)
        unlink(record_paths[t]);
}

static struct simulate_result with_records(const char *policy, const char *requests,
                                           const char *more)
{
    char paths[2][128];
    snprintf(paths[0], sizeof(paths[0]), "records.edge=%s", record_paths[0]);
    snprintf(paths[1], sizeof(paths[1]), "records.cloud=%s", record_paths[1]);
    return run_and_forget(policy, SETTINGS(paths[0], paths[1], requests, "arrivals.rate=1",
                                           "edge.service_ms=10", "cloud_queue=1000", more));
}

static void answers_come_from_records(void **unused)
{
    (void)unused;
    write_records();
    const struct simulate_result edge = with_records("edge", "requests=20000", "seed=1");
    assert_true(fabs(edge.all.right / edge.all.n - 0.8) < 0.01);
    assert_true(edge.all.right == edge.all.right_edge && edge.all.right_cloud == edge.all.n);
    assert_true(edge.all.differs == edge.all.n - edge.all.right);
    /* 0.5 to 0.6 are wrong; a threshold of 0.8 escalates three in five, all the wrong ones. */
    const struct simulate_result first =
        with_records("edge-first:threshold=0.8", "requests=20000", "seed=1");
    assert_true(fabs(first.all.to_cloud / first.all.n - 0.6) < 0.01);
    assert_true(first.escalated == first.all.to_cloud && first.all.right == first.all.n);
    /* It takes the edge's time, and for three in five the cloud's beside. */
    const struct simulate_result cloud = with_records("cloud", "requests=20000", "seed=1");
    assert_true(first.mean_ms > 10 && first.mean_ms < 10 + 0.62 * cloud.mean_ms);
    remove_records();
}

static void adaptive_is_certified_and_audits(void **unused)
{
    (void)unused;
    write_records();
    const struct simulate_result r =
        with_records("adaptive:audit=0.1", "requests=40000", "cloud.service_ms=1000");
    assert_true(r.certified && r.first_certified > 200 && r.first_certified < 600);
    assert_true(r.all.differs / r.all.n <= 0.03);
    assert_true(r.audits > 1000 && r.alarms == 0);
    /* A tenth of what is kept is sent by audits alone. */
    const double by_audits = r.calls[MOA_CLOUD] - r.escalated;
    assert_true(r.all.to_cloud == r.calls[MOA_CLOUD] && by_audits > 0.05 * 0.5 * r.all.n);
    assert_true(r.calls[MOA_EDGE] == r.all.n);
    const struct simulate_result again =
        with_records("adaptive:audit=0.1", "requests=40000", "cloud.service_ms=1000");
    assert_memory_equal(&r.all, &again.all, sizeof(r.all));
    remove_records();
}

/* Near what the edge takes, every threshold is quicker than a coin that sends as many to the cloud,
 * and as right: whoever joins a queue is charged for those who come after. c_img is drawn evenly,
 * so a threshold of it is a coin. */
static void near_capacity_a_coin_divides_the_load_no_better(void **unused)
{
    (void)unused;
    write_records();
    char paths[2][128], blind[64];
    snprintf(paths[0], sizeof(paths[0]), "records.edge=%s", record_paths[0]);
    snprintf(paths[1], sizeof(paths[1]), "records.cloud=%s", record_paths[1]);
    const char *const near[] = {paths[0],
                                paths[1],
                                "requests=60000",
                                "arrivals.rate=9.5",
                                "link.mbps=50",
                                "cloud_queue=1000",
                                "warmup=2000",
                                "arrivals.warmup_rate=2",
                                NULL};
    const struct simulate_result sure = run_and_forget("adaptive:audit=0,threshold=0.55", near);
    const double share = sure.all.to_cloud / sure.all.n;
    snprintf(blind, sizeof(blind), "paper-no-state:tau_text=1,tau_image=%.4f", 1 - share);
    const struct simulate_result coin = run_and_forget(blind, near);
    assert_true(fabs(coin.all.to_cloud / coin.all.n - share) < 0.02 && share > 0.2 && share < 0.4);
    assert_true(sure.all.right > coin.all.right);
    if (sure.mean_ms + sure.half_width_ms > coin.mean_ms - coin.half_width_ms)
        fail_msg("%.0f ms, a coin %.0f ms", sure.mean_ms, coin.mean_ms);
    remove_records();
}

static void policies_are_read(void **unused)
{
    (void)unused;
    struct simulate_policy p;
    char why[256];
    assert_int_equal(simulate_policy_read("paper:tau_image=0.25,split=fuse", &p, why, sizeof(why)),
                     0);
    assert_string_equal(p.name, "paper");
    assert_string_equal(p.settings[1].key, "paper.tau_image");
    assert_true(p.settings[1].value == 0.25);
    assert_null(p.settings[3].key);
    static const char *const bad[] = {
        "papers",           "paper:tau",
        "paper:x=1",        "paper:tau_image=2",
        "paper:split=half", "a name that is longer than any policy has"};
    for (size_t i = 0; i < N_TESTS(bad); i++)
        assert_int_equal(simulate_policy_read(bad[i], &p, why, sizeof(why)), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_exponential_server),
        cmocka_unit_test(one_constant_server),
        cmocka_unit_test(servers_with_one_queue),
        cmocka_unit_test(a_call_to_the_cloud_takes_link_and_service),
        cmocka_unit_test(too_much_is_behind),
        cmocka_unit_test(boxes_share_a_cloud),
        cmocka_unit_test(bursts_come_as_often_and_wait_longer),
        cmocka_unit_test(nobody_is_lost_in_an_outage),
        cmocka_unit_test(the_same_seed_gives_the_same),
        cmocka_unit_test(answers_come_from_records),
        cmocka_unit_test(adaptive_is_certified_and_audits),
        cmocka_unit_test(near_capacity_a_coin_divides_the_load_no_better),
        cmocka_unit_test(policies_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
