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

/* The order of words as the order of two numbers: compared without a loop. */
struct word_key {
    uint64_t high;
    uint64_t low;
};

static struct word_key key_of(const char word[WORD_SIZE])
{
    struct word_key key;
    memcpy(&key.high, word, 8);
    memcpy(&key.low, word + 8, 8);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    key.high = __builtin_bswap64(key.high);
    key.low = __builtin_bswap64(key.low);
#endif
    return key;
}

static bool contains(const char (*list)[WORD_SIZE], size_t n_entries, const uint8_t *word, size_t n)
{
    if (n >= WORD_SIZE)
        return false;
    char small[WORD_SIZE] = {0};
    for (size_t i = 0; i < n; i++)
        small[i] = (char)(word[i] >= 'A' && word[i] <= 'Z' ? word[i] + 32 : word[i]);
    const struct word_key key = key_of(small);
    /* The last entry that is not above the word. */
    size_t first = 0;
    while (n_entries > 1) {
        const size_t half = n_entries / 2;
        const struct word_key entry = key_of(list[first + half]);
        const bool not_above =
            entry.high < key.high || (entry.high == key.high && entry.low <= key.low);
        first += not_above ? half : 0;
        n_entries -= half;
    }
    return memcmp(list[first], small, WORD_SIZE) == 0;
}

bool moa_text_is_common(const uint8_t *word, size_t n)
{
    return contains(common, sizeof(common) / sizeof(common[0]), word, n);
}

bool moa_text_is_abbreviation(const uint8_t *word, size_t n)
{
    return contains(abbreviations, sizeof(abbreviations) / sizeof(abbreviations[0]), word, n);
}

bool moa_text_is_particle(const uint8_t *word, size_t n)
{
    return contains(particles, sizeof(particles) / sizeof(particles[0]), word, n);
}

unsigned moa_text_noun_sign(const uint8_t *word, size_t n)
{
    if (n < 2)
        return 0;
    if (contains(noun_signs, sizeof(noun_signs) / sizeof(noun_signs[0]), word, n))
        return 2;
    return contains(noun_hints, sizeof(noun_hints) / sizeof(noun_hints[0]), word, n);
}

bool moa_text_is_month(const uint8_t *word, size_t n)
{
    return contains(months, sizeof(months) / sizeof(months[0]), word, n);
}
