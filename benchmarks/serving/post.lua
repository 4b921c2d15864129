-- Asks with METHOD and, if BODIES names a file, with its lines as bodies in turn.
local n, i, bodies, file = 0, 0, {}, os.getenv("BODIES")
if file then
  for line in io.lines(file) do n = n + 1; bodies[n] = line end
  wrk.headers["Content-Type"] = "application/json"
end
wrk.method = os.getenv("METHOD")
request = function()
  if n > 0 then i = i % n + 1 end
  return wrk.format(nil, nil, nil, bodies[i])
end
