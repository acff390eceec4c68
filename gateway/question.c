/* SPDX-License-Identifier: Apache-2.0
 *
 * The options, the form, the scene and the text of a question; see question.h.
 */
#include "question.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include <xxhash.h>

/* ---- options ---- */

/* "A.", "A)", "(A)", "A:" at `at`, behind white space or at the begin, with something behind it. */
static bool is_option(const char *text, const char *at, char letter)
{
    const bool opened = at > text && at[-1] == '(';
    const char *before = opened ? at - 1 : at;
    if (*at != letter || (before > text && !isspace((unsigned char)before[-1])))
        return false;
    if (opened)
        return at[1] == ')';
    return (at[1] == '.' || at[1] == ')' || at[1] == ':') && at[2] != '\0' &&
           (isspace((unsigned char)at[2]) || at[1] != '.');
}

uint32_t question_letters(const char *text)
{
    uint32_t letters = 0;
    const char *at = text;
    for (unsigned i = 0; i < 26; i++) {
        const char letter = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i];
        while ((at = strchr(at, letter)) && !is_option(text, at, letter))
            at++;
        if (!at)
            break;
        letters |= 1u << i;
        at++;
    }
    return letters & 2 ? letters : 0;
}

/* ---- form ---- */

#define WORD_BYTES 24 /* longer words are cut: no word that is looked for is as long */

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (unsigned char)c >= 0x80;
}

/* The next word before `end`, in lower case; NULL if there is none, else what is behind it. */
static const char *next_word(const char *p, const char *end, char ret_word[WORD_BYTES])
{
    while (p < end && !is_letter(*p))
        p++;
    size_t n = 0;
    const char *begin = p;
    for (; p < end && is_letter(*p); p++) {
        if (n + 1 < WORD_BYTES)
            ret_word[n++] = (char)tolower((unsigned char)*p);
    }
    ret_word[n] = '\0';
    return p > begin ? p : NULL;
}

/* Nearly all words differ in their first letter. */
static bool is_word(const char *word, const char *other)
{
    return *word == *other && strcmp(word, other) == 0;
}

/* What opens a question, or stands somewhere in it ("In the picture, how many ..."). The first that
 * fits counts: those of two words come before those of one. */
static const struct opening {
    const char *word, *next; /* NULL: any */
    enum question_form form;
    bool opens; /* only as the first word: elsewhere it is an ordinary one */
} openings[] = {
    {"how", "many", QUESTION_HOW_MANY, false},     {"how", "much", QUESTION_HOW_MANY, false},
    {"wie", "viele", QUESTION_HOW_MANY, false},    {"wie", "viel", QUESTION_HOW_MANY, false},
    {"wieviele", NULL, QUESTION_HOW_MANY, false},  {"was", "there", QUESTION_YES_NO, true},
    {"was", "the", QUESTION_YES_NO, true},         {"where", NULL, QUESTION_WHERE, false},
    {"wo", NULL, QUESTION_WHERE, false},           {"who", NULL, QUESTION_WHO, false},
    {"whose", NULL, QUESTION_WHO, false},          {"wer", NULL, QUESTION_WHO, false},
    {"wessen", NULL, QUESTION_WHO, false},         {"why", NULL, QUESTION_WHY, false},
    {"warum", NULL, QUESTION_WHY, false},          {"weshalb", NULL, QUESTION_WHY, false},
    {"which", NULL, QUESTION_WHICH, false},        {"welche", NULL, QUESTION_WHICH, false},
    {"welcher", NULL, QUESTION_WHICH, false},      {"welches", NULL, QUESTION_WHICH, false},
    {"what", NULL, QUESTION_WHAT, false},          {"was", NULL, QUESTION_WHAT, true},
    {"is", NULL, QUESTION_YES_NO, true},           {"are", NULL, QUESTION_YES_NO, true},
    {"does", NULL, QUESTION_YES_NO, true},         {"do", NULL, QUESTION_YES_NO, true},
    {"did", NULL, QUESTION_YES_NO, true},          {"can", NULL, QUESTION_YES_NO, true},
    {"could", NULL, QUESTION_YES_NO, true},        {"has", NULL, QUESTION_YES_NO, true},
    {"have", NULL, QUESTION_YES_NO, true},         {"were", NULL, QUESTION_YES_NO, true},
    {"ist", NULL, QUESTION_YES_NO, true},          {"sind", NULL, QUESTION_YES_NO, true},
    {"hat", NULL, QUESTION_YES_NO, true},          {"gibt", "es", QUESTION_YES_NO, true},
    {"kann", NULL, QUESTION_YES_NO, true},         {"describe", NULL, QUESTION_DESCRIBE, true},
    {"list", NULL, QUESTION_DESCRIBE, true},       {"summarize", NULL, QUESTION_DESCRIBE, true},
    {"beschreibe", NULL, QUESTION_DESCRIBE, true}, {"read", NULL, QUESTION_READS, true},
    {"lies", NULL, QUESTION_READS, true},
};

#define N_OPENINGS (sizeof(openings) / sizeof(openings[0]))

static enum question_form form_of_words(const char *word, const char *next, bool first)
{
    for (size_t i = 0; i < N_OPENINGS; i++) {
        const struct opening *o = &openings[i];
        if (is_word(o->word, word) && (first || !o->opens) && (!o->next || is_word(o->next, next)))
            return o->form;
    }
    return QUESTION_OTHER;
}

/* What a "what" or "which" asks about. */
static enum question_form subject_of(const char *word)
{
    static const char *const written[] = {"read",  "reads", "say",   "says",   "written", "word",
                                          "text",  "sign",  "label", "spell",  "number",  "digits",
                                          "steht", "zahl",  "wort",  "schild", "nummer"};
    static const char *const colours[] = {"color", "colour", "colors", "colours", "farbe"};
    for (size_t i = 0; i < sizeof(written) / sizeof(written[0]); i++) {
        if (is_word(word, written[i]))
            return QUESTION_READS;
    }
    for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++) {
        if (is_word(word, colours[i]))
            return QUESTION_COLOUR;
    }
    return QUESTION_OTHER;
}

static bool ends_sentence(const char *p)
{
    const bool ends = *p == '.' || *p == '!' || *p == '?' || *p == ':';
    return *p == '\n' || (ends && isspace((unsigned char)p[1]));
}

/* The last sentence that ends with a question mark; the whole text if there is none. */
static const char *find_question(const char *text, const char **ret_end)
{
    const char *end = strrchr(text, '?');
    *ret_end = end ? end : text + strlen(text);
    const char *begin = end ? end : text;
    while (begin > text && !ends_sentence(begin - 1))
        begin--;
    return begin;
}

static enum question_form form_of(const char *text)
{
    char words[2][WORD_BYTES] = {"", ""};
    const char *end, *begin = find_question(text, &end);
    enum question_form form = QUESTION_OTHER, subject = QUESTION_OTHER;
    bool first = true;
    const char *p = next_word(begin, end, words[0]);
    for (size_t i = 0; p; i ^= 1, first = false) {
        p = next_word(p, end, words[i ^ 1]);
        if (subject == QUESTION_OTHER)
            subject = subject_of(words[i]);
        if (form == QUESTION_OTHER)
            form = form_of_words(words[i], words[i ^ 1], first);
    }
    const bool has_subject = form == QUESTION_WHAT || form == QUESTION_WHICH;
    return has_subject && subject != QUESTION_OTHER ? subject : form;
}

unsigned question_kind(const char *text)
{
    return (unsigned)form_of(text) | (question_letters(text) ? QUESTION_OPTIONS : 0);
}

/* ---- scene ---- */

/* A part that was not looked at, as its bytes stand in the body. */
static void hash_bytes(const struct chat *chat, size_t i, uint64_t ret_hash[2])
{
    const struct chat_part *part = &chat->parts[i];
    const struct moa_bytes bytes = part->has_data
                                       ? chat_part_data(chat, i).bytes
                                       : chat_piece(chat, part->span.begin, part->span.end);
    const XXH128_hash_t hash = XXH3_128bits(bytes.p, bytes.n);
    ret_hash[0] = hash.low64;
    ret_hash[1] = hash.high64;
}

static uint64_t scene_of(const struct chat *chat, const struct image_score *scores,
                         const struct moa_adaptive *adaptive)
{
    uint64_t scene = 0;
    for (size_t i = 0; i < chat->n_parts; i++) {
        const struct chat_part *part = &chat->parts[i];
        uint64_t words[4] = {scene, (uint64_t)part->kind};
        if (part->kind == MOA_IMAGE && scores[i].facts.info.width_px > 0)
            moa_image_scene(&scores[i].facts.features, words + 2);
        else
            hash_bytes(chat, i, words + 2);
        scene = moa_adaptive_hash(adaptive, words, 4);
    }
    return scene;
}

void question_read(const struct chat *chat, const struct image_score *scores,
                   const struct moa_adaptive *adaptive, struct moa_question *ret_question)
{
    ret_question->scene = scene_of(chat, scores, adaptive);
    ret_question->text = moa_adaptive_hash(adaptive, chat->asked, 2);
    ret_question->kind = question_kind(chat->last_turn);
}
