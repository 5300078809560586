-- Requests of a thousand users in turn, made beforehand so that wrk itself costs little.
-- Arguments: file of tokens, method, path, bytes of body.
local requests, next_one = {}, 0

function init(args)
  local file, method, path, bytes = args[1], args[2], args[3], tonumber(args[4] or "0")
  local body = bytes > 0 and string.rep("x", bytes) or nil
  for token in io.lines(file) do
    local headers = { ["Authorization"] = "Bearer " .. token }
    if body then headers["Content-Type"] = "application/octet-stream" end
    requests[#requests + 1] = wrk.format(method, path, headers, body)
    -- A few large bodies are enough; a thousand would fill the memory.
    if body and #requests == 8 then break end
  end
end

function request()
  next_one = next_one % #requests + 1
  return requests[next_one]
end

function done(summary, latency)
  io.write(string.format(
    'RESULT {"requests":%d,"seconds":%f,"p50_us":%d,"p99_us":%d,"status_errors":%d,"socket_errors":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
