-- A 2 KB chat prompt: another one in every request with DISTINCT=1, else always the same. The summary is one JSON line.
local padding = string.rep("The quick brown fox jumps over the lazy dog. ", 44)
local distinct, window = os.getenv("DISTINCT") == "1", os.getenv("WINDOW") or "0"
local head = '{"model":"mock","messages":[{"role":"system","content":"' .. padding .. '"},{"role":"user","content":"q '
local tail = '"}],"temperature":0,"max_tokens":16}'
local sent = 0

wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.headers["authorization"] = "Bearer sk-test"

request = function()
  sent = sent + 1
  return wrk.format("POST", "/v1/chat/completions", nil, head .. (distinct and (window .. "-" .. sent) or "0") .. tail)
end

done = function(summary, latency, _)
  local errors = summary.errors
  io.write(string.format('RESULT {"requests": %d, "micros": %d, "p50_us": %d, "socket_errors": %d, "bad_statuses": %d}\n',
    summary.requests, summary.duration, latency:percentile(50),
    errors.connect + errors.read + errors.write + errors.timeout, errors.status))
end
