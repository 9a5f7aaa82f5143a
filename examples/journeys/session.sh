# Ana and Ben edit the same journey. Paste all of this into bash.
backend=http://127.0.0.1:9000/api/journeys/onboarding
proxy=http://127.0.0.1:8080/api/journeys/onboarding
json='Content-Type: application/json'

# 1. Straight at the backend. Both read, both save. Ben's save silently undoes Ana's.
ana=$(curl -s "$backend" | sed "s/\"notes\": \"[^\"]*\"/\"notes\": \"Ana, $(date +%T), $RANDOM\"/")
ben=$(curl -s "$backend" | sed 's/"status": "[^"]*"/"status": "active"/')
curl -s -o /dev/null -w 'Ana saves: %{http_code}\n' -X PUT -H "$json" --data-binary "$ana" "$backend"
curl -s -o /dev/null -w 'Ben saves: %{http_code}\n' -X PUT -H "$json" --data-binary "$ben" "$backend"
echo "Ana wrote:     $(echo "$ana" | grep -o '"notes": "[^"]*"')"
echo "What is there: $(curl -s "$backend" | grep -o '"notes": "[^"]*"')"

# 2. The same race through noclobber. Each keeps the ETag that came with what they read.
seen_by_ana=$(curl -si "$proxy" | tr -d '\r')
seen_by_ben=$(curl -si "$proxy" | tr -d '\r')
ana_etag=$(echo "$seen_by_ana" | sed -n 's/^[Ee][Tt][Aa][Gg]: //p')
ben_etag=$(echo "$seen_by_ben" | sed -n 's/^[Ee][Tt][Aa][Gg]: //p')
ana=$(echo "$seen_by_ana" | tail -n 1 | sed "s/\"notes\": \"[^\"]*\"/\"notes\": \"Ana, $(date +%T), $RANDOM\"/")
ben=$(echo "$seen_by_ben" | tail -n 1 | sed 's/"status": "[^"]*"/"status": "active"/')
# Ana is first: 200, and the ETag of what she wrote.
curl -si -X PUT -H "$json" -H "If-Match: $ana_etag" --data-binary "$ana" "$proxy"; echo
# Ben's copy is stale: 412, and nothing was overwritten.
curl -si -X PUT -H "$json" -H "If-Match: $ben_etag" --data-binary "$ben" "$proxy"; echo
# Ben reads again, makes his change on top of Ana's, and saves: 200.
seen_by_ben=$(curl -si "$proxy" | tr -d '\r')
ben_etag=$(echo "$seen_by_ben" | sed -n 's/^[Ee][Tt][Aa][Gg]: //p')
ben=$(echo "$seen_by_ben" | tail -n 1 | sed 's/"status": "[^"]*"/"status": "active"/')
curl -si -X PUT -H "$json" -H "If-Match: $ben_etag" --data-binary "$ben" "$proxy"; echo
echo "Both edits are there: $(curl -s "$proxy" | grep -o -e '"notes": "[^"]*"' -e '"status": "[^"]*"' | tr '\n' ' ')"
