-- Writes to the registry: heartbeats of many instances in turn, or registrations of ever new ones.
-- Arguments: "heartbeats" or "registrations", Authorization, number of instances, number of applications, a mark, the first.
local kind, headers, instances, apps, mark, number
local document = '{"instance":{"instanceId":"%s","hostName":"127.0.0.1","app":"%s","ipAddr":"127.0.0.1","status":"UP",' ..
  '"port":{"$":8081,"@enabled":"true"},"securePort":{"$":443,"@enabled":"false"},' ..
  '"dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"},' ..
  '"leaseInfo":{"renewalIntervalInSecs":30,"durationInSecs":90},"metadata":{"zone":"a","management.port":"8081"},' ..
  '"healthCheckUrl":"http://127.0.0.1:8081/actuator/health","lastDirtyTimestamp":"1000"}}'

function init(args)
  kind, instances, apps, mark, number = args[1], tonumber(args[3]), tonumber(args[4]), args[5], tonumber(args[6] or "0")
  headers = { ["Authorization"] = args[2], ["Content-Type"] = "application/json" }
end

function request()
  local app = apps == 0 and "USER-SERVICE" or "SERVICE-" .. number % apps
  local id = mark .. ":" .. number
  number = (number + 1) % instances
  if kind == "heartbeats" then
    return wrk.format("PUT", "/eureka/apps/" .. app .. "/" .. id .. "?status=UP&lastDirtyTimestamp=1000", headers)
  end
  return wrk.format("POST", "/eureka/apps/" .. app, headers, string.format(document, id, app))
end

function done(summary)
  io.write(string.format('RESULT {"requests":%d,"seconds":%f,"status_errors":%d}\n',
    summary.requests, summary.duration / 1e6, summary.errors.status))
end
