/* SPDX-License-Identifier: Apache-2.0
 *
 * Word lists of the text scanner; see text_words.h.
 */
#include "text_words.h"

#include <string.h>

enum { WORD_SIZE = 16 }; /* no word is longer than 15 bytes; the rest is zero */

/* clang-format off */
static const char common[][WORD_SIZE] = {
    "a", "about", "above", "according", "actually", "after", "again", "ah", "all", "almost",
    "already", "also", "although", "always", "am", "an", "and", "another", "any", "anyone",
    "anything", "are", "aren't", "around", "as", "ask", "at", "away", "back", "be", "because",
    "become", "been", "before", "being", "below", "best", "better", "between", "both", "bring",
    "btw", "but", "by", "call", "came", "can", "can't", "cannot", "check", "choose", "click",
    "come", "compare", "compute", "congrats", "consider", "could", "couldn't", "count", "create",
    "damn", "day", "days", "dear", "define", "describe", "did", "didn't", "dm", "do", "does",
    "doesn't", "don't", "done", "down", "draw", "due", "during", "each", "either", "else", "enough",
    "even", "ever", "every", "everyone", "everything", "example", "explain", "extract", "feel",
    "few", "find", "first", "follow", "for", "from", "get", "getting", "give", "given", "go",
    "going", "gonna", "good", "got", "great", "guess", "ha", "had", "haha", "happy", "has",
    "hasn't", "have", "haven't", "having", "he", "he'd", "he'll", "he's", "hello", "help", "hence",
    "her", "here", "here's", "hers", "hey", "hi", "him", "his", "hmm", "how", "how's", "however",
    "i", "i'd", "i'll", "i'm", "i've", "identify", "idk", "if", "im", "image", "imma", "imo", "in",
    "including", "indeed", "instead", "into", "is", "isn't", "it", "it'd", "it'll", "it's", "its",
    "just", "keep", "know", "last", "later", "least", "less", "let", "let's", "like", "likely",
    "list", "listen", "little", "lmao", "lol", "look", "looking", "looks", "lot", "made", "make",
    "makes", "making", "many", "may", "maybe", "me", "mean", "meanwhile", "might", "mine", "more",
    "most", "much", "must", "my", "myself", "name", "near", "need", "never", "new", "next", "nice",
    "no", "nobody", "none", "nor", "not", "note", "nothing", "now", "of", "off", "oh", "ok", "okay",
    "omg", "on", "once", "one", "only", "oops", "open", "or", "order", "other", "others",
    "otherwise", "our", "ours", "out", "over", "own", "part", "people", "perhaps", "photo",
    "picture", "please", "pls", "plz", "provide", "put", "question", "quite", "rather", "read",
    "really", "reply", "rt", "said", "same", "saw", "say", "says", "see", "seems", "send",
    "several", "shall", "she", "she'd", "she'll", "she's", "should", "shouldn't", "show",
    "similarly", "since", "smh", "so", "some", "somebody", "someone", "something", "sometimes",
    "soon", "sorry", "still", "stop", "such", "summarize", "sure", "take", "talk", "tbh", "tell",
    "than", "thank", "thanks", "that", "that'll", "that's", "the", "their", "theirs", "them",
    "then", "there", "there's", "therefore", "these", "they", "they'd", "they'll", "they're",
    "they've", "thing", "things", "think", "this", "those", "though", "three", "through", "thus",
    "till", "time", "to", "today", "together", "tomorrow", "tonight", "too", "translate", "try",
    "trying", "two", "ugh", "under", "unless", "until", "up", "upon", "us", "use", "used", "using",
    "very", "via", "wait", "wanna", "want", "wants", "was", "wasn't", "watch", "way", "we", "we'd",
    "we'll", "we're", "we've", "well", "went", "were", "weren't", "what", "what's", "whatever",
    "when", "when's", "whenever", "where", "where's", "whether", "which", "while", "who", "who's",
    "whole", "whom", "whose", "why", "will", "wish", "with", "within", "without", "won't", "work",
    "would", "wouldn't", "wow", "write", "wtf", "xd", "yay", "yeah", "year", "yes", "yesterday",
    "yet", "you", "you'd", "you'll", "you're", "you've", "your", "yours",
};

static const char abbreviations[][WORD_SIZE] = {
    "abb", "al", "approx", "apt", "art", "ave", "bros", "bspw", "bzw", "ca", "capt", "cf", "ch",
    "co", "col", "corp", "dept", "dr", "ed", "eds", "eg", "eq", "eqs", "est", "etc", "evtl", "fig",
    "figs", "geb", "gen", "ggf", "ggü", "gov", "hon", "ie", "inc", "inkl", "jr", "lt", "ltd",
    "maj", "max", "messrs", "min", "mio", "mr", "mrd", "mrs", "ms", "mt", "no", "nos", "nr", "op",
    "pp", "prof", "pt", "rep", "rev", "sec", "sen", "sgt", "sog", "sr", "st", "std", "str", "tel",
    "univ", "vgl", "viz", "vol", "vs", "z",
};

static const char particles[][WORD_SIZE] = {
    "al", "da", "de", "del", "der", "di", "do", "dos", "du", "el", "la", "le", "of", "the",
    "van", "von", "y",
};
/* Words of German and Luxembourgish, whose nouns have capitals, and of hardly any other language:
 * articles, prepositions, and what questions about pictures begin with. */
static const char noun_signs[][WORD_SIZE] = {
    "auch", "auf", "beide", "beim", "benenne", "beschreibe", "beschreif", "bitte", "dein", "deine",
    "deinem", "deinen", "deiner", "dem", "der", "diese", "diesem", "diesen", "dieser", "dieses",
    "durch", "dës", "dësem", "dësen", "dëser", "ein", "eine", "einem", "einen", "einer",
    "eines", "einige", "engem", "enger", "erklär", "erkläre", "euch", "für", "gegen", "gibt",
    "ginn", "gëtt", "haben", "halten", "hatte", "hunn", "hält", "hängen", "hängt", "hät",
    "ihnen", "ihre", "ihrem", "ihren", "ihrer", "im", "isch", "ischs", "ist", "jede", "jedem",
    "jeden", "jeder", "jedes", "kann", "kein", "keine", "keinem", "keinen", "keiner", "keng",
    "können", "liegen", "liegt", "läit", "mehr", "mehrere", "mein", "meine", "meinem", "meinen",
    "meiner", "meng", "mit", "muss", "nach", "neben", "nenne", "nich", "nicht", "nieft", "noch",
    "oder", "ohne", "ordne", "prüfe", "schreibe", "sehr", "sein", "seine", "seinem", "seinen",
    "seiner", "seng", "sich", "sie", "siehst", "sieht", "sien", "sind", "sinn", "soll", "stehen",
    "suche", "tragen", "trägt", "tëscht", "und", "unser", "unsere", "unter", "vergleiche",
    "viele", "vom", "vum", "vun", "wann", "warum", "welche", "welchem", "welchen", "welcher",
    "welches", "wenige", "wer", "werden", "wessen", "wieso", "wieviel", "wieviele", "wir", "wird",
    "woher", "wohin", "wou", "wozu", "wurde", "wéi", "wéivill", "zeige", "zeigen", "zeigt", "zum",
    "zur", "zwischen", "zähle", "ënner", "über", "übersetze",
};

/* The same, but words of others, too. */
static const char noun_hints[][WORD_SIZE] = {
    "ass", "aus", "bei", "bis", "das", "dat", "den", "des", "die", "em", "eng", "fir", "för",
    "hat", "hinter", "ich", "lies", "mat", "ob", "op", "steet", "steht", "uf", "um", "un", "vill",
    "von", "vor", "wat", "wie", "wo",
};

/* Months as they stand, with a capital, behind a number and its full stop. */
static const char months[][WORD_SIZE] = {
    "abrëll", "apr", "april", "aug", "august", "dez", "dezember", "feb", "feber", "februar", "jan",
    "januar", "jul", "juli", "jun", "juni", "jänner", "mai", "mee", "mäerz", "mär", "märz",
    "nov", "november", "okt", "oktober", "sep", "sept", "september",
};
/* clang-format on */

/* All lists in one table, found by a hash of the word: most words of a text are in none. */
enum word_set {
    SET_COMMON = 1 << 0,
    SET_ABBREVIATION = 1 << 1,
    SET_PARTICLE = 1 << 2,
    SET_NOUN_SIGN = 1 << 3,
    SET_NOUN_HINT = 1 << 4,
    SET_MONTH = 1 << 5,
};

enum { SLOT_BITS = 11, SLOTS = 1 << SLOT_BITS }; /* about a third are in use */

struct word_key {
    uint64_t parts[2];
};

static struct word_key slot_words[SLOTS];
static uint8_t slot_sets[SLOTS]; /* 0: the slot is free */

static size_t slot_of(const struct word_key *key)
{
    const uint64_t a = key->parts[0] * 0x9e3779b97f4a7c15u;
    const uint64_t b = key->parts[1] * 0xc2b2ae3d27d4eb4fu;
    size_t at = (size_t)((a ^ (a >> 32) ^ b) * 0xff51afd7ed558ccdu >> (64 - SLOT_BITS));
    while (slot_sets[at] && memcmp(&slot_words[at], key, sizeof(*key)) != 0)
        at = (at + 1) % SLOTS;
    return at;
}

static void put_list(const char (*list)[WORD_SIZE], size_t n, enum word_set set)
{
    for (size_t i = 0; i < n; i++) {
        struct word_key key;
        memcpy(&key, list[i], sizeof(key));
        const size_t at = slot_of(&key);
        slot_words[at] = key;
        slot_sets[at] |= (uint8_t)set;
    }
}

#define N_OF(list) (sizeof(list) / sizeof((list)[0]))
#define PUT_LIST(list, set) put_list(list, N_OF(list), set)

_Static_assert(2 * (N_OF(common) + N_OF(abbreviations) + N_OF(particles) + N_OF(noun_signs) +
                    N_OF(noun_hints) + N_OF(months)) <
                   SLOTS,
               "a search ends, since most slots are free");

/* When the library is loaded: no thread ever meets a table that is half filled. */
__attribute__((constructor)) static void fill_table(void)
{
    PUT_LIST(common, SET_COMMON);
    PUT_LIST(abbreviations, SET_ABBREVIATION);
    PUT_LIST(particles, SET_PARTICLE);
    PUT_LIST(noun_signs, SET_NOUN_SIGN);
    PUT_LIST(noun_hints, SET_NOUN_HINT);
    PUT_LIST(months, SET_MONTH);
}

static unsigned sets_of(const uint8_t *word, size_t n)
{
    if (n >= WORD_SIZE)
        return 0;
    uint8_t small[WORD_SIZE] = {0};
    memcpy(small, word, n);
    for (size_t i = 0; i < WORD_SIZE; i++)
        small[i] |= small[i] >= 'A' && small[i] <= 'Z' ? 0x20 : 0;
    struct word_key key;
    memcpy(&key, small, sizeof(key));
    return slot_sets[slot_of(&key)];
}

bool moa_text_is_common(const uint8_t *word, size_t n)
{
    return sets_of(word, n) & SET_COMMON;
}

bool moa_text_is_abbreviation(const uint8_t *word, size_t n)
{
    return sets_of(word, n) & SET_ABBREVIATION;
}

bool moa_text_is_particle(const uint8_t *word, size_t n)
{
    return sets_of(word, n) & SET_PARTICLE;
}

unsigned moa_text_noun_sign(const uint8_t *word, size_t n)
{
    if (n < 2)
        return 0;
    const unsigned sets = sets_of(word, n);
    return sets & SET_NOUN_SIGN ? 2 : (sets & SET_NOUN_HINT) != 0;
}

bool moa_text_is_month(const uint8_t *word, size_t n)
{
    return sets_of(word, n) & SET_MONTH;
}
