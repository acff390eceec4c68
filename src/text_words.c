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
    "al", "approx", "apt", "art", "ave", "bros", "ca", "capt", "cf", "ch", "co", "col", "corp",
    "dept", "dr", "ed", "eds", "eg", "eq", "eqs", "est", "etc", "fig", "figs", "gen", "gov", "hon",
    "ie", "inc", "jr", "lt", "ltd", "maj", "max", "messrs", "min", "mr", "mrs", "ms", "mt", "no",
    "nos", "op", "pp", "prof", "pt", "rep", "rev", "sec", "sen", "sgt", "sr", "st", "univ", "viz",
    "vol", "vs",
};

static const char particles[][WORD_SIZE] = {
    "al", "da", "de", "del", "der", "di", "do", "dos", "du", "el", "la", "le", "of", "the",
    "van", "von", "y",
};
/* clang-format on */

/* The order of words as the order of two numbers: compared without a loop. */
struct key {
    uint64_t high;
    uint64_t low;
};

static struct key key_of(const char word[WORD_SIZE])
{
    struct key key;
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
    const struct key key = key_of(small);
    /* The last entry that is not above the word. */
    size_t first = 0;
    while (n_entries > 1) {
        const size_t half = n_entries / 2;
        const struct key entry = key_of(list[first + half]);
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
