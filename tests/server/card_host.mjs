// A host of MCP Apps made of the official AppBridge: calls a tool, draws its card in a sandboxed
// frame under the policy that the extension prescribes, and passes on what the card asks for.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { AppBridge, PostMessageTransport } from "@modelcontextprotocol/ext-apps/app-bridge";

const query = new URLSearchParams(location.search);
window.events = [];
const note = (...what) => window.events.push(what);
const POLICY = "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; media-src 'self' data:; connect-src 'none'";

(async () => {
  const client = new Client(
    { name: "test-host", version: "1" },
    { capabilities: { extensions: { "io.modelcontextprotocol/ui": { mimeTypes: ["text/html;profile=mcp-app"] } } } },
  );
  await client.connect(new StreamableHTTPClientTransport(new URL("/mcp", location)));
  const { tools } = await client.listTools(), tool = tools.find(one => one.name === query.get("tool"));
  const { contents: [card] } = await client.readResource({ uri: tool._meta.ui.resourceUri });
  const frame = document.createElement("iframe");
  frame.sandbox = "allow-scripts";
  frame.style.cssText = "width:100%;border:1px solid #8885;border-radius:8px";
  frame.srcdoc = card.text.replace("<head>", `<head><meta http-equiv="Content-Security-Policy" content="${POLICY}">`);
  const bridge = new AppBridge(
    client,
    { name: "test-host", version: "1" },
    { openLinks: {}, serverTools: {}, message: { text: {} } },
    { hostContext: { theme: query.get("theme"), displayMode: "inline" } },
  );
  const ready = new Promise(done => bridge.addEventListener("initialized", done));
  bridge.addEventListener("sizechange", ({ height }) => { frame.style.height = `${height}px`; });
  bridge.onopenlink = async ({ url }) => { note("open", url); return {}; };
  bridge.onmessage = async ({ content }) => { note("message", content[0].text); return {}; };
  document.body.append(frame);
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  await ready;
  note("ready");
  const given = JSON.parse(query.get("arguments"));
  await bridge.sendToolInput({ arguments: given });
  const result = await client.callTool({ name: tool.name, arguments: given });
  note("result", result.isError ?? false);
  await bridge.sendToolResult(result);
})().catch(error => note("failed", String(error)));
