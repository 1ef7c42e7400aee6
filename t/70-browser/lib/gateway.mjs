// What stands between people and the server and does not always help: a plain HTTP proxy. It passes
// sockets or refuses them or lets them hang, passes streams or swallows them, and cuts what is open.

import http from "node:http";
import net from "node:net";

import { atEnd, url } from "./stage.mjs";

export class Gateway {
  sockets = "pass";                    // refuse, hang
  streams = "pass";                    // refuse, hang
  requests = "pass";                   // refuse, streams: all others are refused
  isMute = false;                      // what the server says is lost, what it is told is not
  lastToken;                           // that anybody has shown
  #open = new Set();                   // everything that can be cut
  #counts = { socket: 0, stream: 0, poll: 0, POST: 0, PATCH: 0 };

  static async start(settings) {
    const gateway = Object.assign(new Gateway(), settings);
    await gateway.#listen();
    atEnd(() => gateway.stop());
    return gateway;
  }

  get url() { return `http://127.0.0.1:${this.server.address().port}`; }

  // How many requests of a kind have come.
  count(kind) { return this.#counts[kind]; }

  // Ends every connection that is open, in mid-sentence.
  cut() {
    for (const connection of [...this.#open]) connection.destroy();
  }

  stop() {
    this.cut();
    this.server.close();
  }

  async #listen() {
    this.target = new URL(url);
    this.agent = new http.Agent({ keepAlive: false });
    this.server = http.createServer((request, response) => this.#pass(request, response));
    this.server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    this.server.on("connection", socket => this.#note(socket));
    await new Promise(resolve => this.server.listen(0, "127.0.0.1", resolve));
  }

  #note(connection) {
    this.#open.add(connection);
    connection.on("close", () => this.#open.delete(connection));
    connection.on("error", () => {});
  }

  #noteToken(field = "") {
    this.lastToken = /bearer[ .]([\w-]+\.[\w-]+\.[\w-]+)/i.exec(field)?.[1] ?? this.lastToken;
  }

  #pass(request, response) {
    this.#noteToken(request.headers.authorization);
    const kind = request.headers.accept === "text/event-stream" ? "stream"
      : request.url.includes("wait=") ? "poll" : request.method;
    if (kind in this.#counts) this.#counts[kind]++;
    const isApi = request.url.startsWith("/api/");
    if (kind === "stream" && this.streams === "hang") return;
    if ((kind === "stream" && this.streams === "refuse") || (isApi && this.requests === "refuse")
      || (isApi && this.requests === "streams" && kind !== "stream")) {
      response.writeHead(502, { "Content-Type": "text/html" }).end("<h1>Bad gateway</h1>");
      return;
    }
    const { hostname, port } = this.target;
    const onward = http.request({ hostname, port, method: request.method, path: request.url, headers: request.headers, agent: this.agent });
    onward.on("response", answer => {
      if (this.isMute) return;
      response.writeHead(answer.statusCode, answer.rawHeaders);
      response.flushHeaders();
      answer.on("data", data => this.isMute || response.write(data));
      answer.on("end", () => this.isMute || response.end());
      answer.on("error", () => response.destroy());
    });
    onward.on("error", () => response.headersSent ? response.destroy() : response.writeHead(502).end());
    response.on("close", () => onward.destroy());
    request.pipe(onward);
  }

  #upgrade(request, socket, head) {
    this.#counts.socket++;
    if (this.sockets === "hang") return;
    if (this.sockets === "refuse") {
      socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      return;
    }
    this.#noteToken(request.headers["sec-websocket-protocol"]);
    const onward = net.connect(this.target.port, this.target.hostname);
    this.#note(onward);
    const lines = [`${request.method} ${request.url} HTTP/1.1`];
    for (let at = 0; at < request.rawHeaders.length; at += 2) lines.push(`${request.rawHeaders[at]}: ${request.rawHeaders[at + 1]}`);
    onward.write(`${lines.join("\r\n")}\r\n\r\n`);
    onward.write(head);
    onward.on("data", data => this.isMute || socket.write(data));
    socket.pipe(onward);
    onward.on("close", () => socket.destroy());
    socket.on("close", () => onward.destroy());
  }
}
