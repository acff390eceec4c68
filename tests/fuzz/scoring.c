/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as what a model answered, and as a set's JSON: a score is a score, what everybody said
 * is right, an option that is named is there, and elements of an array lie inside of it.
 */
#include <math.h>
#include <string.h>

#include "study/choice.h"
#include "study/json_list.h"
#include "study/vqa.h"

#include "fuzz.h"

static void check_score(const char *answer, const char *other)
{
    const char *const same[] = {answer, answer, answer, answer};
    const char *const mixed[] = {answer, other, answer, other, ""};
    for (int k = 0; k < VQA_SCORERS; k++) {
        double score = vqa_accuracy((enum vqa_scorer)k, answer, mixed, 5);
        FUZZ_ASSERT(score >= 0.0 && score <= 1.0);
    }
    FUZZ_ASSERT(vqa_accuracy(VQA_NORMALIZED, answer, same, 4) == 1.0);
    FUZZ_ASSERT(vqa_accuracy(VQA_2021, answer, same, 4) == 1.0);
    FUZZ_ASSERT(vqa_exact(answer, answer) == 1.0);
}

static void check_choice(const char *answer, const char *other)
{
    const char *const options[] = {"red", other, "a cat", "答案"};
    for (size_t n = 2; n <= 4; n++) {
        int option = choice_read(answer, options, n);
        FUZZ_ASSERT(option >= -1 && option < (int)n);
    }
}

static void check_list(struct moa_bytes text)
{
    struct json_list list;
    struct moa_bytes element;
    const char *end = (const char *)text.p + text.n;
    struct moa_bytes member = json_member(text, "a");
    FUZZ_ASSERT(!member.p || (const char *)member.p + member.n <= end);
    if (json_list_open(text, "a", &list)) {
        FUZZ_ASSERT(list.at >= (const char *)text.p && list.at <= end);
        return;
    }
    const char *last = text.p;
    while (json_list_next(&list, &element) > 0) {
        FUZZ_ASSERT(element.n > 0 && (const char *)element.p >= last);
        last = (const char *)element.p + element.n;
        FUZZ_ASSERT(last <= end && list.at == last);
    }
    FUZZ_ASSERT(list.at <= end);
}

/* The first line is the answer, the second one an option. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    FUZZ_ASSERT(text);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    check_list((struct moa_bytes){text, size});
    char *second = strchr(text, '\n');
    if (second)
        *second++ = '\0';
    check_score(text, second ? second : "");
    check_choice(text, second ? second : "B");
    free(text);
    return 0;
}
