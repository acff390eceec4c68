/* SPDX-License-Identifier: Apache-2.0
 *
 * A user of the installed library: measures a plane and a text, decides, and checks what comes out.
 */
#include <stdio.h>
#include <string.h>

#include <moaoff/moaoff.h>

static int check(int holds, const char *what)
{
    if (!holds)
        fprintf(stderr, "consumer: %s\n", what);
    return holds ? 0 : 1;
}

int main(void)
{
    uint8_t flat[8 * 8];
    struct moa_image_features features;
    struct moa_image_complexity image;
    struct moa_text_features text_features;
    struct moa_text_complexity text;
    const struct moa_bytes words = {"What is on the shelf?", 21};
    struct moa_policy *policy = NULL;
    struct moa_modality modalities[2];
    struct moa_choice choices[2];
    struct moa_request request;
    const struct moa_state state = {0.0, 20.0, true, true, false};
    struct moa_decision decision;
    int failed = 0;

    memset(flat, 127, sizeof(flat));
    failed += check(moa_luma_measure(flat, 8, 8, 8, &features) == MOA_OK, "luma is refused");
    moa_image_complexity(NULL, &features, &image);
    failed += check(image.entropy == 0.0 && image.edge == 0.0, "a flat image is not simple");
    moa_text_measure(words, &text_features);
    moa_text_complexity(NULL, &text_features, &text_features, &text);
    failed += check(text_features.sentences == 1, "one question is not one sentence");

    memset(&request, 0, sizeof(request));
    memset(modalities, 0, sizeof(modalities));
    modalities[0].kind = MOA_TEXT;
    modalities[0].complexity = text.score;
    modalities[1].kind = MOA_IMAGE;
    modalities[1].complexity = 1.0;
    request.n = 2;
    request.modalities = modalities;
    decision.n = 2;
    decision.choices = choices;
    failed += check(moa_policy_new("paper", NULL, &policy) == MOA_OK, "no policy");
    failed += check(moa_decide(policy, &request, &state, &decision) == MOA_OK, "no decision");
    failed += check(decision.plan == MOA_PLAN_PERCEIVE_CLOUD, "not the expected plan");
    moa_policy_free(policy);
    failed += check(moa_version()[0] != '\0', "no version");
    return failed != 0;
}
