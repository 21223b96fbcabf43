/** A curl session to copy: produce two records, read them through a consumer instance, delete it. */
export function sampleSession(base: string): string {
  const instance = `${base}/consumers/my-group/instances/my-instance`
  const v2 = 'application/vnd.kafka.v2+json'
  const json = 'application/vnd.kafka.json.v2+json'
  const records = '{"records":[{"key":"a","value":{"count":1}},{"key":"b","value":{"count":2}}]}'
  const spec =
    '{"name":"my-instance","format":"json","auto.offset.reset":"earliest",' +
    '"fetch.min.bytes":1,"consumer.request.timeout.ms":10000}'
  return `# produce
curl -X POST ${base}/topics/my-topic -H 'Content-Type: ${json}' \\
  -d '${records}'
# create a consumer, subscribe, read
curl -X POST ${base}/consumers/my-group -H 'Content-Type: ${v2}' \\
  -d '${spec}'
curl -X POST ${instance}/subscription -H 'Content-Type: ${v2}' \\
  -d '{"topics":["my-topic"]}'
curl ${instance}/records -H 'Accept: ${json}'
# done with it
curl -X DELETE ${instance} -H 'Content-Type: ${v2}'`
}
