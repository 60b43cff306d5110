// A client on the TypeScript SDK: lists the tools, calls one, and prints what came as JSON.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [kind, address, key, tool, given] = process.argv.slice(2);
const headers = { "X-Api-Key": key };
const transports = { http: StreamableHTTPClientTransport, sse: SSEClientTransport };
const transport = new transports[kind](new URL(address), { requestInit: { headers } });

const client = new Client({ name: "sdk", version: "1" });
await client.connect(transport);
const { tools } = await client.listTools();
const result = await client.callTool({ name: tool, arguments: JSON.parse(given) });
console.log(JSON.stringify({ tools: tools.map((one) => one.name), result }));
await transport.terminateSession?.();
await client.close();
