// Uses what openapi-typescript makes of the OpenAPI document; tests/e2e/test_clients.py runs it.
import { AwsClient } from "aws4fetch";
import createClient from "openapi-fetch";
import type { paths } from "./api.js";

declare const process: { env: Record<string, string> };
const { API_URL, API_KEY, AWS_REGION, COUNTER: name } = process.env;
const aws = new AwsClient({ accessKeyId: "test", secretAccessKey: "test", region: AWS_REGION, service: "execute-api" });
const client = createClient<paths>({
  baseUrl: API_URL,
  headers: { "x-api-key": API_KEY },
  fetch: (request) => aws.fetch(request),
});

const path = { name };
const once = { path, header: { "Idempotency-Key": "once" } };
const made = await client.PUT("/counters/{name}", { params: { path }, body: { floor: 0, ceiling: 10 } });
const first = await client.POST("/counters/{name}/increment", { params: once, body: { amount: 7 } });
const again = await client.POST("/counters/{name}/increment", { params: once, body: { amount: 7 } });
const refused = await client.POST("/counters/{name}/increment", { params: { path }, body: { amount: 7 } });
const page = await client.GET("/counters", { params: { query: { prefix: name } } });
const gone = await client.DELETE("/counters/{name}", { params: { path } });

console.log(JSON.stringify({
  made: made.response.status,
  first: [first.data?.value, first.data?.replayed],
  again: [again.data?.value, again.data?.replayed],
  refused: [refused.error?.status, refused.error?.ceiling, refused.error?.value],
  listed: page.data?.counters.map((counter) => counter.value),
  gone: gone.response.status,
}));
