import { FakeServer, history, message } from "./lib/fake.mjs";
import { Member } from "./lib/member.mjs";
import { end, is, ok, scene, until } from "./lib/stage.mjs";

const TRIP = "550e8400-e29b-41d4-a716-446655440000";

// A token of that many seconds; nobody looks at its signature.
const tokenFor = (seconds, more = {}) => ["{}", JSON.stringify({ exp: Math.floor(Date.now() / 1000) + seconds, ...more }), "x"]
  .map(part => Buffer.from(part).toString("base64url")).join(".");

const join = (fake, options = {}) => Member.join(TRIP, "ann", { from: fake.url, token: tokenFor(3600), ...options });

await scene("the list", async () => {
  const fake = await FakeServer.start({ welcome: () => history(13, [11, 12, 13].map(seq => message(seq))) });
  const ann = await join(fake);
  const [socket] = fake.sockets;
  const edit = (of, seq, content) => ({ type: "message_edited", message: { id: `m${of}`, content, is_edited: true, updated_at: message(seq).updated_at, seq } });
  const chat = of => ({ type: "chat_message", message: of });
  socket.say(edit(11, 14, "first"), chat(message(15)), edit(11, 16, "second"), edit(3, 17, "older"), chat(message(15)), chat(message(18)));
  await ann.sees("message 18");
  is([ann.seqs, ann.contents], [[11, 12, 13, 15, 18], ["second", "message 12", "message 13", "message 15", "message 18"]],
    "edits change a message where it is, and what is not here is left alone");
  is(ann.chat.lastSeq, 18, "the newest event is known apart");
  ok(ann.chat.hasOlder, "there are older ones");

  fake.welcome = () => history(23, [
    message(12, { content: "edited", is_edited: true, seq: 19 }), message(5, { content: "of old", is_edited: true, seq: 20 }),
    message(21, { content: "new, edited", is_edited: true }), message(22), message(21, { content: "new, edited", is_edited: true, seq: 23 }),
  ], { recovered: true });
  socket.close(1001);
  await ann.sees("message 22");
  ok((await fake.socket(1)).url.includes("after=18"), "it resumes there");
  is([ann.seqs, ann.contents.slice(1, 2), ann.contents.at(-2)], [[11, 12, 13, 15, 18, 21, 22], ["edited"], "new, edited"],
    "edits of messages that are not here are none that are new");

  fake.welcome = () => history(90, [message(89), message(90)], { recovered: false });
  fake.sockets[1].close(1001);
  await ann.sees("message 90");
  is(ann.seqs, [89, 90], "recovered: false is a fresh start");
  fake.welcome = () => history(4, [message(3), message(4)], { recovered: false });
  fake.sockets[2].close(1001);
  await ann.sees("message 4");
  is([ann.seqs, ann.chat.lastSeq], [[3, 4], 4], "also where the room has begun anew");
});

await scene("the epoch", async () => {
  const epochs = [7, 7, 8];
  const fake = await FakeServer.start({ welcome: (_, at) => history(3, [message(3)], { epoch: epochs[at], recovered: at === 1 ? true : undefined }) });
  const ann = await join(fake);
  ok(!fake.sockets[0].url.includes("epoch"), "a newcomer knows none");
  fake.sockets[0].close(1001);
  const params = async at => Object.fromEntries(new URL((await fake.socket(at)).url, fake.url).searchParams);
  is(await params(1), { after: "3", epoch: "7" }, "who returns names that of the history");
  await ann.is("realtime");
  fake.sockets[1].close(1001);
  await params(2);
  await ann.is("realtime");
  fake.sockets[2].close(1001);
  is(await params(3), { after: "3", epoch: "8" }, "the newest one");
});

await scene("a poll in another epoch", async () => {
  const answers = [
    { results: [message(1)], last_seq: 1, epoch: 7 },
    { results: [message(2)], last_seq: 2, epoch: 7 },
    { results: [message(3)], last_seq: 3, epoch: 8 },
    { results: [message(3)], last_seq: 3, epoch: 8 },
  ];
  const polls = () => fake.requests.filter(({ headers }) => headers.accept === "application/json");
  const fake = await FakeServer.start({
    answer: ({ headers }, response) => {
      const page = headers.accept === "application/json" && answers[polls().length - 1];
      if (page) response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify({ next: null, previous: null, ...page }));
    },
  });
  const ann = await join(fake, { over: "poll" });
  await ann.sees("message 3");
  is(ann.seqs, [3], "is a fresh start");
  const params = polls().slice(0, 4).map(({ url }) => Object.fromEntries(new URL(url, fake.url).searchParams));
  is(params.map(({ after, epoch }) => [after, epoch]), [[undefined, undefined], ["1", "7"], ["2", "7"], [undefined, undefined]],
    "and each request names the epoch of the answer before");
});

await scene("an error with retry_after", async () => {
  const fake = await FakeServer.start();
  const ann = await join(fake);
  const [socket] = fake.sockets;
  const sent = ann.chat.send("Hello.");
  const first = await socket.hears("chat_message");
  socket.say({ type: "error", code: "unavailable", message: "Later.", retry_after: 0.1, client_id: first.client_id });
  await until("it to be sent again", () => socket.said.length === 2);
  is(socket.said[1], first, "has the same sent again");
  socket.say({ type: "chat_message", message: message(1), client_id: first.client_id });
  is([(await sent).seq, ann.errors, ann.chat.pending], [1, [], []], "until it is confirmed");
});

await scene("503 over HTTP", async () => {
  let posts = 0;
  const fake = await FakeServer.start({
    answer({ method, url }, response) {
      if (url.includes("wait=")) return;
      const json = (status, body, more) => response.writeHead(status, { "Content-Type": "application/json", ...more }).end(JSON.stringify(body));
      if (method === "GET") json(200, { next: null, previous: null, results: [], last_seq: 0 });
      else if (posts++ < 2) json(503, { type: "error", code: "overloaded", message: "Busy.", retry_after: 0.1 }, { "Retry-After": "1" });
      else json(posts === 3 ? 502 : 201, message(1));
    },
  });
  const ann = await join(fake, { over: "poll" });
  is((await ann.chat.send("Hello.")).seq, 1, "is tried again");
  const sent = fake.requests.filter(({ method }) => method === "POST");
  is([sent.length, new Set(sent.map(({ body }) => body.client_id)).size], [4, 1], "with the same client_id");
  is(sent[0].headers.authorization.slice(0, 7), "Bearer ", "the token is no part of the address");
});

await scene("close codes", async () => {
  const fake = await FakeServer.start();
  const ann = await join(fake, { timing: { steady: 0 } });
  for (const code of [1001, 1008, 1011, 1012, 1013]) {
    const n = fake.sockets.length;
    fake.sockets.at(-1).close(code);
    await fake.socket(n);
    await ann.is("realtime");
  }
  ok(true, "that pass are followed by another socket");
  is(fake.requests.filter(({ url }) => url.startsWith("/api/")), [], "and while one is to be had nothing else is tried");
  fake.welcome = socket => socket.close(4003, "Not on this trip.");
  fake.sockets.at(-1).close(1001);
  await ann.is("forbidden");
  is(ann.chat.status.reason, "Not on this trip.", "but for 4003");
});

await scene("a server that reloads", async () => {
  const fake = await FakeServer.start();
  const ann = await join(fake, { timing: { reload: 3_600_000 } });
  fake.sockets[0].close(1012, "server reloads, retry after 20 ms");
  await fake.socket(1);
  await ann.is("realtime");
  ok(true, "says when to come back");
});

await scene("a message that is too long for the server", async () => {
  const fake = await FakeServer.start();
  const ann = await join(fake);
  const [long, short] = [ann.chat.send("x".repeat(5000)), ann.chat.send("short")];
  await until("both to be sent", () => fake.sockets[0].said.length === 2);
  fake.sockets[0].close(1009);
  is(await long.catch(error => error.code), "content_too_long", "is not sent again");
  const again = await (await fake.socket(1)).hears("chat_message");
  is(again.content, "short", "others are");
  fake.sockets[1].say({ type: "chat_message", message: message(1), client_id: again.client_id });
  await short;
});

await scene("a new token on a live socket", async () => {
  const tokens = [tokenFor(2), tokenFor(3600, { second: true })];
  const fake = await FakeServer.start();
  const ann = await join(fake, { getToken: ({ reason }) => tokens[reason === "start" ? 0 : 1], token: undefined });
  const told = await fake.sockets[0].hears("authenticate");
  is(told.token, tokens[1], "is told to the server");
  fake.sockets[0].say({ type: "authenticated", client_id: told.client_id });
  fake.sockets[0].close(1001);
  ok((await fake.socket(1)).token.endsWith(tokens[1]), "and shown at the next");
  await ann.is("realtime");

  const old = await FakeServer.start();
  const bob = await join(old, { getToken: ({ reason }) => (reason === "start" ? tokenFor(2) : tokens[1]), token: undefined });
  const { client_id } = await old.sockets[0].hears("authenticate");
  old.sockets[0].say({ type: "error", code: "unknown_type", message: "?", client_id });
  ok((await old.socket(1)).token.endsWith(tokens[1]), "a server that does not know that gets another socket");
  await until("the first to be closed", () => !old.sockets[0].isOpen);
  is([bob.states, bob.errors], [["connecting", "realtime"], []], "with nothing to be seen of it");

  const mute = await FakeServer.start();
  const carol = await join(mute, { getToken: ({ reason }) => (reason === "start" ? tokenFor(2) : tokens[1]), token: undefined, timing: { answer: 300 } });
  await mute.socket(1);
  await carol.is("realtime");
  ok(true, "and so does one that does not answer");
});

await scene("a stream whose renewal finds no room", async () => {
  const tokens = [tokenFor(2, { n: 1 }), tokenFor(3600, { n: 2 })];
  const streams = [];
  const fake = await FakeServer.start({
    answer: ({ headers }, response) => {
      if (streams.some(({ writableEnded }) => !writableEnded)) {
        response.writeHead(503, { "Content-Type": "application/json", "Retry-After": 2 }).end('{"type":"error","code":"overloaded","message":"x"}');
        return;
      }
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.write(`data: ${JSON.stringify(history(streams.length, []))}\n\n`);
      streams.push(response);
      if (headers.authorization !== `Bearer ${tokens[0]}`) return;
      setTimeout(() => response.end('event: close\ndata: {"code":4001,"reason":"expired"}\n\n'), 2500);
    },
  });
  const asked = [];
  const ann = await join(fake, { over: "stream", token: tokens[0], getToken: ({ reason }) => (asked.push(reason), tokens[1]) });
  await until("the next stream", () => streams.length === 2);
  is([asked, fake.requests.at(-1).headers.authorization], [["expiring"], `Bearer ${tokens[1]}`], "the new token was not the one that ended");
  await ann.goesOver("stream");
  ok(!ann.states.includes("unauthorized"), "nobody was asked to sign in");
});

await scene("a server that falls silent", async () => {
  const fake = await FakeServer.start();
  const ann = await join(fake, { timing: { silence: 100, answer: 300 } });
  const asked = await fake.sockets[0].hears("ping");
  fake.sockets[0].say({ type: "error", code: "unknown_type", message: "?", client_id: asked.client_id });
  await until("to be asked again", () => fake.sockets[0].said.length === 2);
  is([ann.errors, fake.sockets.length], [[], 1], "is asked for a sign of life, and any will do");
  await fake.socket(1);
  is(ann.states.includes("offline"), true, "without one the connection counts as lost");
});

await scene("a server that never sends the history", async () => {
  const fake = await FakeServer.start({ welcome: () => undefined });
  const ann = await Member.start(TRIP, "ann", { from: fake.url, token: tokenFor(3600), timing: { connect: 100 } });
  await ann.is("offline");
  is(ann.states, ["connecting", "offline"], "is no connection");
});

await scene("a stream in pieces", async () => {
  const text = [":\r\n\r\n", `id: 1\r\ndata: ${JSON.stringify(history(1, [message(1, { content: "дерево 🌳" })]))}\r\n\r\n`,
    `data: ${JSON.stringify({ type: "chat_message", message: message(2) }).replace(",", ",\ndata: ")}\n\n`, "event: other\ndata: {}\n\n",
    "retry: 10\n\n", `id: 3\rdata:${JSON.stringify({ type: "chat_message", message: message(3) })}\r\r`, ": bye\n\n"].join("");
  const fake = await FakeServer.start({
    answer: async ({ url }, response) => {
      response.writeHead(200, { "Content-Type": "text/event-stream; charset=utf-8" });
      if (url.includes("after=3")) return;
      for (const byte of Buffer.from(text)) {
        response.write(Buffer.of(byte));
        await new Promise(setImmediate);
      }
      response.write('event: close\ndata: {"code":1012,"reason":"reload"}\n\n');
    },
  });
  const ann = await join(fake, { over: "stream" });
  await ann.sees("message 3");
  is(ann.contents, ["дерево 🌳", "message 2", "message 3"], "is put together");
  await until("it to come back", () => fake.requests.length === 2);
  ok(fake.requests[1].url.includes("after=3"), "and taken up where it ended");
});

await scene("typing", async () => {
  const fake = await FakeServer.start();
  const ann = await join(fake, { timing: { typing: 200, typingGap: 50 } });
  for (let key = 0; key < 20; key++) ann.chat.typing();
  await until("the end", () => fake.sockets[0].said.length === 2);
  is(fake.sockets[0].said.map(({ is_typing }) => is_typing), [true, false], "twenty keys are one word, and one at the end");
  fake.sockets[0].say({ type: "typing", user_id: "b", user_email: "bob@example.com", is_typing: true });
  await until("a typist", () => ann.chat.typists.length === 1);
  fake.sockets[0].close(1001);
  await until("nobody", () => ann.chat.typists.length === 0);
  ok(true, "nobody types over a connection that is gone");
});

await scene("listeners", async () => {
  const fake = await FakeServer.start({ welcome: () => history(1, [message(1)]) });
  const ann = await Member.start(TRIP, "ann", { from: fake.url, token: tokenFor(3600) });
  const thrown = new Promise(resolve => process.once("uncaughtException", resolve));
  let calls = 0;
  const off = ann.chat.on("messages", () => {
    calls++;
    throw new Error("a bug of the page");
  });
  is((await thrown).message, "a bug of the page", "that throw are heard of");
  off();
  fake.sockets[0].say({ type: "chat_message", message: message(2) });
  await ann.sees("message 2");
  is(calls, 1, "and may be taken off");
});

await end();
