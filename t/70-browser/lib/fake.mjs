// A server that does what a test tells it, for what the real one does only now and then.

import http from "node:http";

import { WebSocketServer } from "./member.mjs";
import { atEnd, until } from "./stage.mjs";

export const ANN = { id: "a", email: "ann@example.com", username: "ann", full_name: "Ann Archer" };

export function message(seq, over = {}) {
  const time = new Date(Date.UTC(2026, 0, 1) + seq * 1000).toISOString();
  return { id: `m${seq}`, chat_room_id: "r", sender: ANN, content: `message ${seq}`, message_type: "text", reply_to: null,
    is_edited: false, created_at: time, updated_at: time, seq, ...over };
}

export const history = (last_seq, messages, more = {}) => ({ type: "message_history", messages, last_seq, ...more });

export class FakeServer {
  sockets = [];                        // { url, said: [objects], say(), close(), isOpen }
  requests = [];                       // { method, url, headers, body, response }
  welcome = () => history(0, []);      // what a socket is greeted with; undefined: nothing
  answer = (request, response) => response.writeHead(404).end();

  static async start(settings) {
    const fake = Object.assign(new FakeServer(), settings);
    const server = http.createServer((request, response) => fake.#hear(request, response));
    const sockets = new WebSocketServer({ server, handleProtocols: () => "tripchat" });
    sockets.on("connection", (socket, request) => fake.#greet(socket, request));
    await new Promise(resolve => server.listen(0, "127.0.0.1", resolve));
    fake.url = `http://127.0.0.1:${server.address().port}`;
    atEnd(() => {
      sockets.clients.forEach(socket => socket.terminate());
      server.closeAllConnections();
      server.close();
    });
    return fake;
  }

  // The socket that came as the nth, when it has come.
  socket(n) { return until(`socket ${n}`, () => this.sockets[n]); }

  #greet(socket, { url, headers }) {
    const one = {
      url, token: headers["sec-websocket-protocol"], said: [], isOpen: true,
      say: (...events) => events.forEach(event => socket.send(JSON.stringify(event))),
      close: (code, reason) => socket.close(code, reason),
      hears: type => until(`to hear ${type}`, () => one.said.find(said => said.type === type)),
    };
    socket.on("message", data => one.said.push(JSON.parse(data)));
    socket.on("close", () => { one.isOpen = false; });
    this.sockets.push(one);
    const first = this.welcome(one, this.sockets.length - 1);
    if (first) one.say(first);
  }

  async #hear(request, response) {
    let body = "";
    for await (const chunk of request) body += chunk;
    this.requests.push({ method: request.method, url: request.url, headers: request.headers, body: body && JSON.parse(body) });
    this.answer(this.requests.at(-1), response);
  }
}
