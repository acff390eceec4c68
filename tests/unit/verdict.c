/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/verdict.h: what engines' answers mean.
 */
#include <string.h>

#include <yyjson.h>

#include "gateway/verdict.h"

#include "test.h"

static struct moa_bytes bytes_of(const char *text)
{
    return (struct moa_bytes){text, strlen(text)};
}

static enum verdict judge(int status, const char *body, struct engine_opinion *opinion)
{
    struct engine_answer answer = {.status = status,
                                   .content_type = "application/json",
                                   .extent = ANSWER_WHOLE,
                                   .body = bytes_of(body),
                                   .model_is_ours = true};
    return engine_verdict(&answer, opinion);
}

/* Whoever has parsed the answer already is spared its being parsed again. */
static void an_answer_says_what_it_took(void **state)
{
    (void)state;
    static const char json[] = "{\"choices\":[{}],\"usage\":{\"prompt_tokens\":7}}";
    struct engine_opinion opinion;
    assert_int_equal(judge(200, json, &opinion), VERDICT_ANSWERED);
    assert_int_equal(opinion.usage.prompt_tokens, 7);
    assert_int_equal(opinion.usage.completion_tokens, USAGE_UNKNOWN);
    yyjson_doc *doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
    const struct engine_answer answer = {.status = 200,
                                         .content_type = "application/json",
                                         .extent = ANSWER_WHOLE,
                                         .json = yyjson_doc_get_root(doc)};
    assert_int_equal(engine_verdict(&answer, &opinion), VERDICT_ANSWERED);
    assert_int_equal(opinion.usage.prompt_tokens, 7);
    yyjson_doc_free(doc);
    assert_int_equal(judge(400, json, &opinion), VERDICT_CLIENT);
    assert_int_equal(opinion.usage.prompt_tokens, USAGE_UNKNOWN);
}

static void whole_answers(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        enum verdict verdict;
        const char *words;
    } cases[] = {
        {200, "{\"choices\":[{\"message\":{\"content\":null}}]}", VERDICT_ANSWERED, ""},
        {200, "{\"choices\":[{}],\"error\":null}", VERDICT_ANSWERED, ""},
        {200, "{\"choices\":[]}", VERDICT_FAILED, ""},
        {200, "{\"choices\":[null]}", VERDICT_FAILED, ""},
        {200, "null", VERDICT_FAILED, ""},
        {200, "\"busy\"", VERDICT_FAILED, ""},
        {200, "", VERDICT_FAILED, ""},
        {200, "{\"choices\":[{\"message\":{\"conte", VERDICT_FAILED, ""},
        {200, "{\"error\":{\"message\":\"worker limit reached\",\"code\":502}}", VERDICT_FAILED,
         "worker limit reached"},
        {200, "{\"error\":{\"message\":\"slow down\",\"code\":\"429\"}}", VERDICT_BUSY,
         "slow down"},
        {200, "{\"error\":\"no\"}", VERDICT_FAILED, "no"},
        {204, "", VERDICT_FAILED, ""},
        {206, "{\"choices\":[{}]}", VERDICT_FAILED, ""},
        {302, "{\"login\":\"needed\"}", VERDICT_MISCONFIGURED, ""},
        {400, "{\"error\":{\"message\":\"'messages' is required\"}}", VERDICT_CLIENT,
         "'messages' is required"},
        {400, "{\"error\":{\"message\":\"m\",\"type\":\"exceed_context_size_error\"}}",
         VERDICT_UNFIT, "m"},
        {400, "{\"error\":{\"message\":\"m\",\"type\":\"x\",\"code\":\"context_length_exceeded\"}}",
         VERDICT_UNFIT, "m"},
        {400, "{\"object\":\"error\",\"message\":\"This model's maximum context length is 512\"}",
         VERDICT_UNFIT, "This model's maximum context length is 512"},
        {400, "{\"detail\":\"At most 1 image(s) may be provided in one prompt.\"}", VERDICT_UNFIT,
         "At most 1 image(s) may be provided in one prompt."},
        {413, "<html>413</html>", VERDICT_UNFIT, ""},
        {415, "{}", VERDICT_CLIENT, ""},
        {422, "{\"detail\":[{\"loc\":[],\"msg\":\"field required\"}]}", VERDICT_CLIENT,
         "field required"},
        {401, "{\"error\":{\"message\":\"Invalid API Key\"}}", VERDICT_MISCONFIGURED,
         "Invalid API Key"},
        {403, "quota\nexceeded \n", VERDICT_MISCONFIGURED, "quota exceeded"},
        {404, "{\"error\":{\"message\":\"model \\\"m\\\" not found\"}}", VERDICT_MISCONFIGURED,
         "model \"m\" not found"},
        {405, "", VERDICT_MISCONFIGURED, ""},
        {408, "", VERDICT_FAILED, ""},
        {429, "{\"error\":{\"message\":\"rate\"}}", VERDICT_BUSY, "rate"},
        {503, "{\"error\":{\"message\":\"Loading model\"}}", VERDICT_BUSY, "Loading model"},
        {529, "", VERDICT_BUSY, ""},
        {500, "{\"error\":{\"message\":\"CUDA error\"}}", VERDICT_FAILED, "CUDA error"},
        {500, "{\"error\":{\"message\":\"CUDA error: operation not supported\"}}", VERDICT_FAILED,
         "CUDA error: operation not supported"},
        {500, "{\"error\":{\"message\":\"image input is not supported - hint: mmproj\"}}",
         VERDICT_UNFIT, "image input is not supported - hint: mmproj"},
        {502, "caf\xc3", VERDICT_FAILED, "caf"},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct engine_opinion opinion;
        enum verdict verdict = judge(cases[i].status, cases[i].body, &opinion);
        if (verdict != cases[i].verdict)
            print_message("%d %s\n", cases[i].status, cases[i].body);
        assert_string_equal(verdict_name(verdict), verdict_name(cases[i].verdict));
        assert_int_equal(verdict, opinion.verdict);
        assert_string_equal(opinion.words, cases[i].words);
        assert_int_equal(opinion.what[0] == '\0', verdict == VERDICT_ANSWERED);
    }
}

/* What engines and providers write, each in its own form. `m` is a tier's configured model. */
static void bodies_of_engines(void **state)
{
    (void)state;
#define E(message, more) "{\"error\":{\"message\":\"" message "\"" more "}}"
#define V(message, type, code)                                                                     \
    "{\"object\":\"error\",\"message\":\"" message "\",\"type\":\"" type                           \
    "\",\"param\":null,\"code\":" code "}"
#define API ",\"type\":\"api_error\",\"param\":null,\"code\":null"
    static const struct {
        const char *engine;
        int status;
        const char *body;
        enum verdict verdict;
        bool is_too_large;
    } cases[] = {
        {"llama-server", 400,
         E("request (5011 tokens) exceeds the available context size (4096 tokens), try increasing "
           "it",
           ",\"code\":400,\"type\":\"exceed_context_size_error\",\"n_ctx\":4096"),
         VERDICT_UNFIT, true},
        {"llama-server", 500,
         E("image input is not supported - hint: if this is unexpected, you may need to provide "
           "the mmproj",
           ",\"code\":500,\"type\":\"server_error\""),
         VERDICT_UNFIT, false},
        {"llama-server", 500,
         E("audio input is not supported - hint: you may need to provide the mmproj", ""),
         VERDICT_UNFIT, false},
        {"llama-server", 400,
         E("Failed to load image or audio file", ",\"type\":\"invalid_request_error\""),
         VERDICT_UNFIT, false},
        {"llama-server", 400, E("unsupported content[].type", ""), VERDICT_UNFIT, false},
        {"llama-server", 500, E("tools param requires --jinja flag", ""), VERDICT_UNFIT, false},
        {"llama-server", 500,
         E("input (9000 tokens) is too large to process. increase the physical batch size", ""),
         VERDICT_UNFIT, true},
        {"llama-server", 400, E("Failed to initialize samplers: failed to parse grammar", ""),
         VERDICT_CLIENT, false},
        {"llama-server", 503, E("Loading model", ",\"type\":\"unavailable_error\",\"code\":503"),
         VERDICT_BUSY, false},
        {"llama-server", 401,
         E("Invalid API Key", ",\"type\":\"authentication_error\",\"code\":401"),
         VERDICT_MISCONFIGURED, false},
        {"llama-server", 500, E("Compute error.", ",\"type\":\"server_error\""), VERDICT_FAILED,
         false},
        {"vLLM", 400,
         V("This model's maximum context length is 16384 tokens. However, you requested 122946 "
           "tokens",
           "BadRequestError", "400"),
         VERDICT_UNFIT, true},
        {"vLLM", 400,
         E("This model's maximum context length is 2048 tokens. However, your request has 8 input "
           "tokens plus 2045 "
           "'max_tokens'.",
           ",\"type\":\"BadRequestError\",\"param\":\"input_tokens, max_tokens\",\"code\":400"),
         VERDICT_UNFIT, true},
        {"vLLM", 400,
         V("The decoder prompt (length 17772) is longer than the maximum model length of 16384.",
           "BadRequestError", "400"),
         VERDICT_UNFIT, true},
        {"vLLM", 400,
         V("At most 1 image(s) may be provided in one request.", "BadRequestError", "400"),
         VERDICT_UNFIT, true},
        {"vLLM", 400,
         V("Qwen/Qwen2.5-7B-Instruct is not a multimodal model None", "BadRequestError", "400"),
         VERDICT_UNFIT, false},
        {"vLLM", 500, E("cannot identify image file <_io.BytesIO object at 0x7f>", ",\"code\":500"),
         VERDICT_UNFIT, false},
        {"vLLM", 400,
         V("height:10 and width:100 must be larger than factor:28", "BadRequestError", "400"),
         VERDICT_UNFIT, true},
        {"vLLM", 400,
         V("absolute aspect ratio must be smaller than 200, got 218.6", "BadRequestError", "400"),
         VERDICT_UNFIT, true},
        {"vLLM", 400, V("temperature must be non-negative, got -1.0.", "BadRequestError", "400"),
         VERDICT_CLIENT, false},
        {"vLLM", 404, V("The model `m` does not exist.", "NotFoundError", "404"),
         VERDICT_MISCONFIGURED, false},
        {"vLLM", 401, "{\"error\":\"Unauthorized\"}", VERDICT_MISCONFIGURED, false},
        {"vLLM", 500,
         V("EngineCore encountered an issue. See stack trace (above) for the root cause.",
           "InternalServerError", "500"),
         VERDICT_FAILED, false},
        {"SGLang", 400,
         V("The input (61709 tokens) is longer than the model's context length (40960 tokens).",
           "BadRequestError", "400"),
         VERDICT_UNFIT, true},
        {"SGLang", 400,
         E("Requested token count exceeds the model's maximum context length of 262144 tokens.",
           ",\"type\":\"invalid_request_error\",\"code\":400"),
         VERDICT_UNFIT, true},
        {"SGLang", 400,
         V("Input length (30011 tokens) exceeds the maximum allowed length (28994 tokens).",
           "BadRequestError", "400"),
         VERDICT_UNFIT, true},
        {"SGLang", 400,
         V("Multimodal prompt is too long after expanding multimodal tokens.", "BadRequestError",
           "400"),
         VERDICT_UNFIT, true},
        {"SGLang", 400, V("Image count 2 exceeds limit 1 per request.", "BadRequestError", "400"),
         VERDICT_UNFIT, true},
        {"SGLang", 503, V("The request queue is full.", "ServiceUnavailable", "503"), VERDICT_BUSY,
         false},
        {"Ollama", 404, E("model \\\"m\\\" not found, try pulling it first", API),
         VERDICT_MISCONFIGURED, false},
        {"Ollama", 400,
         E("registry.ollama.ai/library/llama3.2-vision:11b does not support tools", API),
         VERDICT_UNFIT, false},
        {"Ollama", 400, E("this model does not support image input", API), VERDICT_UNFIT, false},
        {"Ollama", 500, E("this model is missing data required for image input", API),
         VERDICT_UNFIT, false},
        {"Ollama", 400,
         E("invalid image input", ",\"type\":\"invalid_request_error\",\"param\":null"),
         VERDICT_UNFIT, false},
        {"Ollama", 500,
         E("Failed to create new sequence: failed to process inputs: image: unknown format", API),
         VERDICT_UNFIT, false},
        {"Ollama", 400, E("prompt too long; exceeded max context length by 433000 tokens", API),
         VERDICT_UNFIT, true},
        {"Ollama", 400, E("the input length exceeds the context length", API), VERDICT_UNFIT, true},
        {"Ollama", 503, E("server busy, please try again.  maximum pending requests exceeded", API),
         VERDICT_BUSY, false},
        {"Ollama", 500,
         E("model requires more system memory (5.5 GiB) than is available (3.2 GiB)", API),
         VERDICT_FAILED, false},
        {"Ollama", 500, E("llama runner process has terminated: exit status 2", API),
         VERDICT_FAILED, false},
        {"TGI", 422,
         "{\"error\":\"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. "
         "Given: 5000\","
         "\"error_type\":\"validation\"}",
         VERDICT_UNFIT, true},
        {"TGI", 429, "{\"error\":\"Model is overloaded\",\"error_type\":\"overloaded\"}",
         VERDICT_BUSY, false},
        {"LM Studio", 400,
         "{\"error\":\"Vision add-on is not loaded, but images were provided for processing\"}",
         VERDICT_UNFIT, false},
        {"OpenAI", 429,
         E("You exceeded your current quota, please check your plan and billing details.",
           ",\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\""),
         VERDICT_MISCONFIGURED, false},
        {"OpenAI", 429, E("Rate limit reached for requests", ",\"code\":\"rate_limit_exceeded\""),
         VERDICT_BUSY, false},
        {"OpenAI", 400,
         E("You uploaded an unsupported image.", ",\"code\":\"invalid_image_format\""),
         VERDICT_UNFIT, false},
        {"OpenRouter", 404, E("No endpoints found that support image input", ",\"code\":404"),
         VERDICT_UNFIT, false},
        {"OpenRouter", 400, E("m is not a valid model ID", ",\"code\":400"), VERDICT_MISCONFIGURED,
         false},
        {"DeepSeek", 400, E("Model Not Exist", ",\"code\":\"invalid_request_error\""),
         VERDICT_MISCONFIGURED, false},
        {"DeepSeek", 402, E("Insufficient Balance", ""), VERDICT_MISCONFIGURED, false},
        {"Mistral", 400, V("Invalid model: m", "invalid_model", "\"1500\""), VERDICT_MISCONFIGURED,
         false},
        {"Gemini", 400,
         "[{\"error\":{\"code\":400,\"message\":\"API key not valid. Please pass a valid API "
         "key.\","
         "\"status\":\"INVALID_ARGUMENT\"}}]",
         VERDICT_MISCONFIGURED, false},
        {"LiteLLM", 400, E("litellm.ContextWindowExceededError: too much", ",\"code\":\"400\""),
         VERDICT_UNFIT, true},
    };
#undef E
#undef V
#undef API
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct engine_opinion opinion;
        enum verdict verdict = judge(cases[i].status, cases[i].body, &opinion);
        if (verdict != cases[i].verdict || opinion.is_too_large != cases[i].is_too_large)
            print_message("%s: %d %s\n", cases[i].engine, cases[i].status, cases[i].body);
        assert_string_equal(verdict_name(verdict), verdict_name(cases[i].verdict));
        assert_int_equal(opinion.is_too_large, cases[i].is_too_large);
        assert_true(strlen(opinion.words) > 0);
    }
}

/* Mistral's: the message is an object, which has the words further below. */
static void words_stand_further_below(void **state)
{
    (void)state;
    struct engine_opinion opinion;
    assert_int_equal(
        judge(422, "{\"object\":\"error\",\"message\":{\"detail\":[{\"msg\":\"Field required\"}]}}",
              &opinion),
        VERDICT_CLIENT);
    assert_string_equal(opinion.words, "Field required");
    judge(422, "{\"error\":{\"error\":{\"error\":{\"error\":{\"message\":\"deep\"}}}}}", &opinion);
    assert_string_equal(opinion.words, "");
    judge(400, "[]", &opinion);
    assert_string_equal(opinion.words, "");
}

static void a_model_that_the_client_named_is_no_fault_of_ours(void **state)
{
    (void)state;
    struct engine_opinion opinion;
    struct engine_answer answer = {.status = 404,
                                   .content_type = "application/json",
                                   .extent = ANSWER_WHOLE,
                                   .body = bytes_of("{\"error\":{\"message\":\"The model `x` does "
                                                    "not exist.\"}}")};
    assert_int_equal(engine_verdict(&answer, &opinion), VERDICT_UNFIT);
    answer.body = bytes_of("404 page not found");
    assert_int_equal(engine_verdict(&answer, &opinion), VERDICT_MISCONFIGURED);
}

static void what_is_not_there_yet(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum answer_extent extent;
        const char *body;
        enum verdict verdict;
    } cases[] = {
        {0, ANSWER_COMING, "", VERDICT_OPEN},
        {0, ANSWER_CUT, "", VERDICT_FAILED},
        {200, ANSWER_COMING, "{\"choices\":[{}]}", VERDICT_OPEN},
        {200, ANSWER_CUT, "{\"choices\":[{}]}", VERDICT_FAILED},
        {200, ANSWER_LONG, " {\"choices\":[{\"message\":", VERDICT_ANSWERED},
        {200, ANSWER_LONG, "    ", VERDICT_FAILED},
        {500, ANSWER_COMING, "{\"error\":", VERDICT_OPEN},
        {500, ANSWER_CUT, "{\"error\":", VERDICT_FAILED},
        {400, ANSWER_LONG, "{\"error\":", VERDICT_CLIENT},
        {204, ANSWER_COMING, "", VERDICT_FAILED},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct engine_opinion opinion;
        struct engine_answer answer = {.status = cases[i].status,
                                       .content_type = "application/json; charset=utf-8",
                                       .extent = cases[i].extent,
                                       .body = bytes_of(cases[i].body)};
        assert_int_equal(engine_verdict(&answer, &opinion), cases[i].verdict);
    }
}

static void pages_of_other_servers(void **state)
{
    (void)state;
    static const char *const types[] = {"", "text/html", "text/plain", "application/jsonp"};
    for (size_t i = 0; i < N_TESTS(types); i++) {
        struct engine_opinion opinion;
        struct engine_answer answer = {.status = 200, .content_type = types[i]};
        assert_int_equal(engine_verdict(&answer, &opinion), VERDICT_FAILED);
        assert_non_null(strstr(opinion.what, "content type"));
    }
}

static void streams(void **state)
{
    (void)state;
    static const struct {
        const char *event;
        enum answer_extent extent;
        enum verdict verdict;
    } cases[] = {
        {": waiting\n\n", ANSWER_COMING, VERDICT_OPEN},
        {": waiting\n\n", ANSWER_WHOLE, VERDICT_FAILED},
        {"data: [DONE]\n\n", ANSWER_COMING, VERDICT_FAILED},
        {"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n", ANSWER_COMING,
         VERDICT_ANSWERED},
        {"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n", ANSWER_CUT, VERDICT_ANSWERED},
        {"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n", ANSWER_CUT,
         VERDICT_FAILED},
        {"data: {\"error\":{\"message\":\"w\",\"code\":502}}\n\n", ANSWER_COMING, VERDICT_FAILED},
        {"data: {\"error\":{\"message\":\"w\",\"code\":400}}\n\n", ANSWER_COMING, VERDICT_CLIENT},
        {"data: {\"error\":{\"message\":\"audio is not supported\"}}\n\n", ANSWER_COMING,
         VERDICT_UNFIT},
        {"data: busy\n\n", ANSWER_COMING, VERDICT_FAILED},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct sse sse;
        struct engine_opinion opinion;
        sse_init(&sse, &answer_form_chat);
        sse_read(&sse, bytes_of(cases[i].event), NULL);
        struct engine_answer answer = {.status = 200,
                                       .content_type = "text/event-stream",
                                       .extent = cases[i].extent,
                                       .sse = &sse,
                                       .asks_stream = true};
        assert_int_equal(engine_verdict(&answer, &opinion), cases[i].verdict);
        answer.asks_stream = false; /* whoever waits for one answer cannot read it */
        assert_int_equal(engine_verdict(&answer, &opinion), VERDICT_FAILED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_answers),
        cmocka_unit_test(an_answer_says_what_it_took),
        cmocka_unit_test(bodies_of_engines),
        cmocka_unit_test(words_stand_further_below),
        cmocka_unit_test(a_model_that_the_client_named_is_no_fault_of_ours),
        cmocka_unit_test(what_is_not_there_yet),
        cmocka_unit_test(pages_of_other_servers),
        cmocka_unit_test(streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
