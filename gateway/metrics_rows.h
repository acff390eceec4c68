/* SPDX-License-Identifier: Apache-2.0
 *
 * Every metric is a row here, and every number of /metrics comes from a row. Included by metrics.h,
 * metrics.c and state.c, which say what a row means to them; has no include guard on purpose.
 *
 * ROW(name, type, help) is the field `name` of struct metrics and "moaoff_name" on the page. ROW1
 * to ROW3 have that many labels, in whose order the field is indexed. ENDPOINT_ROW is a value of
 * each endpoint `e` of a tier. LABEL has the number of values of a label and the name of value `i`.
 *
 * Types:
 * - COUNTER: counted in the field;
 * - SPARSE: the same, but cells that are 0 have no line;
 * - TOTAL: a counter kept elsewhere and read for the page (state.c); NaN: no line;
 * - GAUGE: a value now, likewise;
 * - QUICK, SLOW: histograms of seconds, of what takes 100 µs and of what takes seconds;
 *   metrics_observe_quick() and metrics_observe(). With labels: cells that are empty have no lines.
 */
#ifndef LABEL
#define LABEL(id, name, n_values, value)
#endif
#ifndef ROW
#define ROW(name, type, help)
#define ROW1(name, type, help, a)
#define ROW2(name, type, help, a, b)
#define ROW3(name, type, help, a, b, c)
#endif
#ifndef ENDPOINT_ROW
#define ENDPOINT_ROW(name, type, help, value)
#endif

LABEL(PLAN, "plan", MOA_PLANS, moa_plan_name((enum moa_plan)i))
LABEL(EXECUTED, "plan", METRICS_EXECUTED, i < MOA_PLANS ? moa_plan_name((enum moa_plan)i) : "none")
LABEL(POLICY, "policy", METRICS_POLICIES, moa_policy_name(i) ? moa_policy_name(i) : "none")
LABEL(CODE, "code", METRICS_CODES, metrics_code_name(i))
LABEL(TIER, "tier", 2, moa_tier_name((enum moa_tier)i))
LABEL(REASON, "reason", MOA_REASONS, moa_reason_name((enum moa_reason)i))
LABEL(MODALITY, "modality", MOA_KINDS, moa_kind_name((enum moa_kind)i))
LABEL(VERDICT, "verdict", VERDICTS, verdict_name((enum verdict)i))
LABEL(STATUS, "status", 6, ONE_OF("gone", "1xx", "2xx", "3xx", "4xx", "5xx"))
LABEL(TOKEN, "kind", 2, ONE_OF("prompt", "completion"))
LABEL(CACHE, "kind", 3, ONE_OF("score", "recoded", "words"))
LABEL(LOOKUP, "result", 2, ONE_OF("hit", "miss"))
LABEL(FETCH, "result", 3, ONE_OF("ok", "refused", "failed"))
LABEL(RELOAD, "result", 2, ONE_OF("failed", "done"))
LABEL(HELD, "reason", 2, ONE_OF("over-budget", "cloud-busy"))
LABEL(PURPOSE, "purpose", BUDGET_PURPOSES, budget_purpose_name((enum budget_purpose)i))
LABEL(WINDOW, "window", BUDGET_WINDOWS, budget_window_name((enum budget_window)i))
LABEL(DROP, "reason", 8,
      ONE_OF("full", "memory", "unfit", "budget", "known", "left", "failed", "draining"))
LABEL(MEANING, "verdict", 4, ONE_OF("same", "different", "unclear", "not-asked"))
LABEL(SMALL, "verdict", 3, ONE_OF("same", "different", "not-asked"))
LABEL(STANDING, "state", 3, moa_standing_name((enum moa_standing)i))
LABEL(ENDING, "reason", 6, ONE_OF(METRICS_ENDINGS))
LABEL(ENGINE, "state", 6, ONE_OF(METRICS_ENGINE_STATES))
LABEL(SPAN, "result", 3, ONE_OF("sent", "dropped", "rejected"))
LABEL(JOURNAL, "result", 3, ONE_OF("written", "dropped", "failed"))
LABEL(FLEET, "result", 3, ONE_OF("published", "refused", "lost"))

ROW1(answers_total, COUNTER, "Answers of engines relayed, by executed plan.", PLAN)
ROW1(chat_requests_total, COUNTER,
     "Chat requests finished, by status class; gone: the client left first.", STATUS)
ROW3(requests_total, SPARSE,
     "Requests finished, by the policy that decided, the plan executed and the status sent.",
     POLICY, EXECUTED, CODE)
ROW3(decisions_total, SPARSE, "Modalities decided.", MODALITY, TIER, REASON)
ROW(escalations_total, COUNTER, "Answers of the edge that were not sure enough to be kept.")
ROW1(escalations_held_total, COUNTER,
     "Answers of the edge that were not sure enough and were kept all the same.", HELD)
ROW(audits_total, COUNTER, "Requests that were to be audited.")
ROW1(audits_dropped_total, COUNTER, "Audits that were given up, by the reason.", DROP)
ROW(audits_counted_total, COUNTER, "Audits that counted.")
ROW(audits_differing_total, COUNTER, "Audits in which the tiers' answers differ.")
ROW1(audits_judged_total, COUNTER,
     "Audits with long answers that are not equal, by whether they mean the same to the cloud.",
     MEANING)
ROW1(audits_small_total, COUNTER,
     "Audits of smaller pictures, by whether the cloud says the same of them.", SMALL)
ROW(audits_in_flight, GAUGE, "Audits whose answers are not all there.")
ROW1(shadow_sent_bytes_total, COUNTER,
     "Request body bytes sent for audits alone; part of sent_bytes.", TIER)
ROW1(shadow_received_bytes_total, COUNTER,
     "Answer body bytes received for audits alone; part of received_bytes.", TIER)
ROW2(shadow_tokens_total, COUNTER, "Tokens of calls for audits alone; part of tokens.", TIER, TOKEN)
ROW1(forwards_total, COUNTER, "Requests passed on that are no chat.", TIER)
ROW1(fallbacks_total, COUNTER, "Requests moved off a tier that failed.", TIER)
ROW2(calls_total, SPARSE, "Calls of engines, by the verdict on their answer.", TIER, VERDICT)
ROW1(sent_bytes_total, COUNTER, "Request body bytes sent to a tier.", TIER)
ROW1(received_bytes_total, COUNTER, "Answer body bytes received from a tier.", TIER)
ROW2(tokens_total, COUNTER, "Tokens that engines reported.", TIER, TOKEN)
ROW(unauthorized_total, COUNTER, "Requests refused for want of an API key.")
ROW1(reloads_total, COUNTER, "Reloads of the configuration.", RELOAD)
ROW1(in_flight, GAUGE, "Calls in flight on a tier.", TIER)
ROW2(cache_lookups_total, COUNTER,
     "Images looked up in the cache: their scores, their re-encoded form, what was said of them.",
     CACHE, LOOKUP)
ROW(cache_bytes, GAUGE, "Bytes that the cache holds.")
ROW1(memory_lookups_total, COUNTER, "Requests about frames, by whether the answer was remembered.",
     LOOKUP)
ROW(memory_bytes, GAUGE, "Bytes that frames and answers remembered take.")
ROW1(images_recoded_total, COUNTER,
     "Images sent to a tier smaller, turned or in another format than they came.", TIER)
ROW(images_decoded_once_total, COUNTER, "Of those, the ones made by the decoding that scored them.")
ROW1(images_recoded_came_bytes_total, COUNTER, "Bytes of those images as they came.", TIER)
ROW1(images_recoded_went_bytes_total, COUNTER, "Bytes of those images as they went.", TIER)
ROW1(image_fetches_total, COUNTER, "Remote images, by what came of them.", FETCH)
ROW(image_fetched_bytes_total, COUNTER, "Bytes of remote images.")
ROW(overhead_seconds, QUICK, "From the request's last byte to the first call of an engine.")
ROW1(first_byte_seconds, SLOW, "From the request's last byte to the first byte of the answer.",
     EXECUTED)
ROW1(request_seconds, SLOW, "From the request's last byte to the end of the answer.", EXECUTED)
ROW1(call_seconds, SLOW, "Calls of engines that were answered, from sending to the end.", TIER)
ROW(saved_bytes_total, COUNTER,
    "Request body bytes that the cloud would have got if it answered everything, and did not.")
ROW(saved_requests_total, COUNTER, "Chat requests answered without a call of the cloud.")
ROW(edge_load, GAUGE, "Load of the edge, 0 to 1.")
ROW(cpu_pressure_ratio, GAUGE, "Share of time some task waited for the CPU.")
ROW(uplink_mbps, GAUGE, "What the uplink carries, Mbit/s, as decisions see it.")
ROW(uplink_tcp_mbps, GAUGE, "TCP's delivery rate over the same uploads, Mbit/s.")
ROW(uplink_age_seconds, GAUGE, "Since the last upload that was measured.")
ROW(rtt_seconds, GAUGE, "Round trip to the cloud.")
ROW1(cloud_spent_bytes_total, TOTAL, "Bytes of requests sent to the cloud, by what for.", PURPOSE)
ROW1(cloud_spent_requests_total, TOTAL, "Calls of the cloud, by what for.", PURPOSE)
ROW1(cloud_spent_money_total, TOTAL, "What they cost by the prices configured.", PURPOSE)
ROW1(cloud_left_bytes, GAUGE, "Bytes that the budget of the cloud leaves.", WINDOW)
ROW1(cloud_left_requests, GAUGE, "Calls that it leaves.", WINDOW)
ROW1(cloud_left_money, GAUGE, "Money that it leaves.", WINDOW)
ROW1(guarantee_state, GAUGE, "1 for where the policy adaptive stands.", STANDING)
ROW(guarantee_certified, GAUGE, "1: a certificate is in force.")
ROW(guarantee_threshold, GAUGE, "The certified threshold.")
ROW(guarantee_kept_ratio, GAUGE, "Share of the audits that the certified threshold keeps.")
ROW(guarantee_reach_ratio, GAUGE, "Largest share of the audits kept with no more lost than alpha.")
ROW(guarantee_bound_ratio, GAUGE,
    "Upper bound of the share kept and lost at the threshold in force; for the eye.")
ROW(guarantee_generation, GAUGE, "Serial number of the generation of audits.")
ROW(guarantee_audits, GAUGE, "Audits that its certificate rests on.")
ROW(guarantee_lost, GAUGE, "Of them, those whose answers differ, or are harm by their label.")
ROW(guarantee_drift, GAUGE, "The detector of drift; alarm at 5,000.")
ROW(guarantee_alarms_total, TOTAL, "Alarms of the detector of drift.")
ROW(guarantee_shifts_total, TOTAL, "Times that the edge's scores had shifted.")
ROW(guarantee_small_certified, GAUGE, "1: the cloud may get pictures at half their pixels.")
ROW(guarantee_engines_total, TOTAL, "Times that another engine was found in a tier.")
ROW(guarantee_labels_waiting, GAUGE, "Audits that wait for a label.")
ROW1(engine_state, GAUGE, "1 for what the engine that the gateway runs does.", ENGINE)
ROW(engine_starts_total, COUNTER, "Times that it was started.")
ROW1(engine_ends_total, COUNTER, "Times that it ended, by the reason.", ENDING)
ROW(engine_memory_bytes, GAUGE, "Memory that it takes, mapped files left out.")
ROW(clock_moved_seconds, GAUGE,
    "How far the wall clock has moved against the clock since the boot, since the start.")
ROW1(trace_spans_total, TOTAL, "Spans of traces, by what became of them.", SPAN)
ROW(trace_spans_waiting, GAUGE, "Spans that wait for the collector.")
ROW1(journal_rows_total, TOTAL, "Rows of the journal, by what became of them.", JOURNAL)
ROW1(fleet_rows_total, TOTAL,
     "Rows of the journal acknowledged by the fleet's stream; refused by it, to be sent again; "
     "deleted before they were acknowledged.",
     FLEET)
ROW(fleet_rows_waiting, GAUGE, "Rows of the journal that the fleet's stream has not acknowledged.")
ROW(fleet_connected, GAUGE, "1: there is a connection to the fleet's NATS.")
ROW(fleet_connects_total, TOTAL, "Connections made to it.")
ROW(fleet_sent_bytes_total, TOTAL, "Bytes of rows sent to it.")
ROW(fleet_acknowledged_age_seconds, GAUGE, "Since it last acknowledged a row.")

ENDPOINT_ROW(endpoint_breaker, GAUGE, "0 closed, 1 half-open, 2 open.", e->breaker.state)
ENDPOINT_ROW(endpoint_misconfigured, GAUGE,
             "1: its last word was that the gateway's key, model or URL is wrong.",
             e->misconfigured)
ENDPOINT_ROW(endpoint_in_flight, GAUGE, "Calls in flight on an endpoint.", e->in_flight)
ENDPOINT_ROW(endpoint_calls_total, TOTAL, "Calls begun.", e->n_calls)
ENDPOINT_ROW(endpoint_failures_total, TOTAL, "Failures that counted.", e->n_failures)
ENDPOINT_ROW(endpoint_opened_total, TOTAL, "Times the breaker opened.", e->n_opened)

#undef LABEL
#undef ROW
#undef ROW1
#undef ROW2
#undef ROW3
#undef ENDPOINT_ROW
