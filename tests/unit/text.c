/* SPDX-License-Identifier: Apache-2.0
 *
 * moaoff/text.h: sentences, entities, UTF-8 and the complexity.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <moaoff/text.h>

#include "test.h"

static struct moa_text_features measure(const char *text)
{
    struct moa_text_features f;
    moa_text_measure((struct moa_bytes){text, strlen(text)}, &f);
    return f;
}

static void sentences_are_counted(void **state)
{
    static const struct {
        const char *text;
        uint64_t n;
    } cases[] = {
        {"", 0},
        {" \n\t!?...", 0},
        {"What is in this image?", 1},
        {"No full stop", 1},
        {"One. Two! Three? \"Four.\" (Five.) Six", 6},
        {"Pi is 3.14 and e is 2.72.", 1},
        {"Dr. Smith met J. R. Jones at St. Paul's, i.e. in London.", 1},
        {"Wait... what? It was 5 p.m. then.", 2},
        {"First paragraph\n\nsecond paragraph", 2},
        {"A line that goes on\nin the next line.", 1},
        {"1. Cut it.\n2. Paste it.\n- Done", 3},
        {"Am 3. Mai 2011 war es kalt. Dann nicht.", 2},
        {"Am 3. 5. 2011 und am 03.05.2011. Im 2. Stock. Im 19. Jahrhundert.", 3},
        {"Sešli se 3. května, ne 3. června. Пришёл 3. мая. Ушёл.", 3},
        {"I have 3. You have 5. It is 3.14. Then it ends.", 4},
        {"z. B. ein Hund, ca. 5 Katzen usw. und so weiter", 1},
        {"Πού είναι ο σκύλος; Τι χρώμα έχει;", 2},
        {"Πού είναι ο σκύλος\xcd\xbe Τι χρώμα έχει\xcd\xbe", 2},
        {"What is it; and why?", 1},
        {"\xe1\x83\x90\xe1\x83\x91. \xe1\x83\x92! \xd5\xa1.", 3}, /* Georgian, Armenian */
        {"\xe4\xbd\xa0\xe5\xa5\xbd\xe3\x80\x82\xe5\x86\x8d\xe8\xa7\x81\xef\xbc\x81", 2},
        {"\xe0\xa4\xa8\xe0\xa4\xae\xe0\xa4\xb8\xe0\xa5\xa4 \xe0\xa4\xa8\xe0\xa4\xae", 2},
    };
    (void)state;
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        const uint64_t n = measure(cases[i].text).sentences;
        if (n != cases[i].n)
            print_error("\"%s\": %d sentences\n", cases[i].text, (int)n);
        assert_int_equal(n, cases[i].n);
    }
}

static void entities_are_counted(void **state)
{
    static const struct {
        const char *text;
        uint64_t n;
    } cases[] = {
        {"", 0},
        {"the cat sat on a mat", 0},
        {"Describe the picture. The cat is black. I think so.", 0},
        {"I met Ada Lovelace in London.", 2},
        {"The Bank of England raised rates", 1},
        {"In Paris it rained.", 1},
        {"He was born on 12 March 2024 in Rome", 2},
        {"It costs $3.50, or 20% less than EUR 1,200.", 3},
        {"Mail a.b@example.com or see https://example.com/a_b?c=1 now", 2},
        {"NASA and the ESA agree", 2},
        {"call moa_image_measure or parseHTML here", 2},
        {"THIS IS A LOUD SENTENCE OF MINE", 0},
        {"J. Smith's car", 1},
        {"Am 3. 5. 2011, am 3. Mai 2011", 2},
        {"Kolik židlí? Říkal, že žere živě.", 0},
        {"Où est l'Europe ?", 1},
    };
    (void)state;
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        const uint64_t n = measure(cases[i].text).entities;
        if (n != cases[i].n)
            print_error("\"%s\": %d entities\n", cases[i].text, (int)n);
        assert_int_equal(n, cases[i].n);
    }
}

/* Capitals say nothing where every noun has one, and much where names have. */
static void nouns_are_no_names(void **state)
{
    static const struct {
        const char *text;
        uint64_t n;
    } cases[] = {
        {"Wo ist der Hund?", 0},
        {"Zähle die Flaschen, Dosen, Becher und Teller im Regal.", 0},
        {"Liegt die Brille auf dem Buch oder unter der Zeitung?", 0},
        {"Haben Sie Fragen zum Bild?", 0},
        {"Nenne Anzahl und Farbe der Fenster.", 0},
        {"Hat Clara Lindqvist am 3. Mai 2011 mit Thomas Okafor gesprochen?", 3},
        {"Steht das Auto auf Platz 12, und ist es ein PKW?", 2},
        {"Wieviel Prozent des Tanks sind gefüllt?", 0},
        {"Beschreif d'Bild a sot, ob de Buedem naass ass.", 0},
        {"Wie vil Lüt gsehsch uf em Bild?", 0},
        {"Wou ass den Hond?", 0},
        {"Läit d'Kaz um Buch oder ënner der Zeitung?", 0},
        {"Is the Eiffel Tower in Paris taller than Big Ben?", 3},
        {"Is this by Mies van der Rohe?", 1},
        {"Qual é a bandeira das Filipinas?", 1},
        {"Qui est le président des États-Unis ?", 1},
        {"Är det här Sverige eller Norge?", 2},
        {"Is dit de Erasmusbrug in Rotterdam?", 2},
        {"Compare Paris, London, Berlin, Rome, Madrid, Vienna, Prague, Oslo and Bern", 9},
        /* Danish as it was written until 1948, which no list knows: by the number alone. */
        {"ved siden af den store Stol i Haven bag det lille Hus ved Aaen sidder en Mand med en "
         "Hund og "
         "en Kat, og foran dem staar et Bord med en Kande, en gammel Kop og et rundt Fad fuldt af "
         "Frugt fra Gaarden",
         0},
    };
    (void)state;
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        const uint64_t n = measure(cases[i].text).entities;
        if (n != cases[i].n)
            print_error("\"%s\": %d entities\n", cases[i].text, (int)n);
        assert_int_equal(n, cases[i].n);
    }
}

static const char base64[] =
    "iVBORw0KGgoAAAANSUhEUgAAACgAAAAeCAIAAADRv8uKAAAANUlEQVR4nO3OsQkAMAgAwbj/0u4Q0hwI11/xs7vn"
    "h/mVFYvFYrFYLBaLxWKxWCwWi8Ufxhfs6gG5qf8lqwAAAABJRU5ErkJggg==";

static void base64_is_no_words(void **state)
{
    (void)state;
    char text[600];
    snprintf(text, sizeof(text), "What is in %s here?", base64);
    const struct moa_text_features f = measure(text);
    assert_int_equal(f.sentences, 1);
    assert_int_equal(f.entities, 0);
    /* Tokens it has, some three of four bytes. */
    assert_true(f.tokens > 0.55 * sizeof(base64) && f.tokens < 0.8 * sizeof(base64));
    /* In lines, the last one short; what follows is words again. */
    snprintf(text, sizeof(text), "%.60s\n%.60s\n%s\nMeet Ada in Rome.", base64, base64 + 60,
             "AAgg==");
    assert_int_equal(measure(text).entities, 2);
    assert_int_equal(
        measure("sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b78").entities, 2);
    assert_int_equal(
        measure("see https://example.com/A1b2/with/a/long/path/of/words/in/it/Index2.html")
            .entities,
        1);
}

static void invalid_bytes_are_counted(void **state)
{
    (void)state;
    /* A lone tail, an overlong slash, a surrogate, above U+10FFFF, and a cut sequence. */
    assert_int_equal(measure("\x80").invalid_bytes, 1);
    assert_int_equal(measure("\xc0\xaf").invalid_bytes, 2);
    assert_int_equal(measure("\xed\xa0\x80").invalid_bytes, 3);
    assert_int_equal(measure("\xf4\x90\x80\x80").invalid_bytes, 4);
    assert_int_equal(measure("caf\xc3").invalid_bytes, 1);
    assert_int_equal(measure("caf\xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x98\x80").invalid_bytes, 0);
}

static void tokens_grow_with_text(void **state)
{
    (void)state;
    assert_true(measure("").tokens == 0.0);
    const double digits = measure("20242024").tokens;
    assert_true(digits > 7.0 && digits < 9.0);
    const double one = measure("the quick brown fox jumps over the lazy dog\n").tokens;
    assert_true(one > 8.0 && one < 12.0);
}

static void complexity_takes_length_and_entities_apart(void **state)
{
    (void)state;
    const struct moa_text_features all = {.tokens = 128.0, .sentences = 9, .entities = 90};
    const struct moa_text_features last = {.tokens = 5.0, .sentences = 2, .entities = 2};
    const struct moa_text_features none = {0};
    struct moa_text_complexity c;
    moa_text_complexity(NULL, &all, &last, &c);
    assert_true(c.length == 0.5);
    assert_true(c.entity == 0.25);
    assert_true(fabs(c.score - (1.1 * 0.5 + 0.25) / 2.1) < 1e-12);
    moa_text_complexity(NULL, &none, &none, &c);
    assert_true(c.length == 0.0 && c.entity == 0.0 && c.score == 0.0);
    struct moa_text_params params;
    moa_text_params_default(&params);
    params.weight_length = 3.0;
    moa_text_complexity(&params, &all, &last, &c);
    assert_true(fabs(c.score - 0.4375) < 1e-12);
}

/* Either alone can exceed the threshold of 0.5 that policies have by default. */
static void length_alone_can_be_enough(void **state)
{
    (void)state;
    const struct moa_text_features none = {.tokens = 12.0, .sentences = 1};
    const struct moa_text_features long_ = {.tokens = 300.0, .sentences = 20};
    const struct moa_text_features names = {.tokens = 20.0, .sentences = 1, .entities = 5};
    struct moa_text_complexity c;
    moa_text_complexity(NULL, &none, &none, &c);
    assert_true(c.score < 0.1);
    moa_text_complexity(NULL, &long_, &long_, &c);
    assert_true(c.score > 0.5);
    moa_text_complexity(NULL, &names, &names, &c);
    assert_true(c.score > 0.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentences_are_counted),
        cmocka_unit_test(entities_are_counted),
        cmocka_unit_test(nouns_are_no_names),
        cmocka_unit_test(base64_is_no_words),
        cmocka_unit_test(length_alone_can_be_enough),
        cmocka_unit_test(invalid_bytes_are_counted),
        cmocka_unit_test(tokens_grow_with_text),
        cmocka_unit_test(complexity_takes_length_and_entities_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
