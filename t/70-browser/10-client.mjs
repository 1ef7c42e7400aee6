import { spawn } from "node:child_process";
import { once } from "node:events";

import { Gateway } from "./lib/gateway.mjs";
import { Member, SHORT, membersEqualDatabase } from "./lib/member.mjs";
import { ask, atEnd, end, fill, is, newTrip, ok, scene, stored, until, url } from "./lib/stage.mjs";

const WAYS = ["socket", "stream", "poll"];

// A gateway that lets this way through and none that would be better.
const gatewayFor = way => Gateway.start(way === "poll" ? { streams: "refuse" } : {});

const refusalOf = promise => promise.then(() => "none", error => error.code);

for (const way of WAYS) {
  await scene(`a conversation over ${way}`, async () => {
    const trip = await newTrip();
    const gateway = await gatewayFor(way);
    const ann = await Member.join(trip, "ann", { over: way, from: gateway.url });
    const bob = await Member.join(trip, "bob");
    is([ann.chat.status.transport, ann.chat.status.isRealtime], [way, way === "socket"], "it is that way");
    is(ann.states, ["connecting", way === "socket" ? "realtime" : "fallback"], "and the status says so");

    const first = await ann.chat.send("Hello, team!");
    await bob.sees("Hello, team!");
    const answer = await bob.chat.send("Hello, Ann!", { replyTo: first.id });
    await ann.sees("Hello, Ann!");
    is(ann.chat.messages[1].reply_to, { id: first.id, content: "Hello, team!", sender_email: "ann@example.com" }, "a reply");
    const edited = await ann.chat.edit(first.id, "Hello, everybody!");
    is([edited.content, edited.is_edited, edited.seq], ["Hello, everybody!", true, 1], "an edit is confirmed");
    await bob.sees("Hello, everybody!");
    await bob.chat.edit(answer.id, "Hi, Ann!");
    await ann.sees("Hi, Ann!");
    is(ann.contents, ["Hello, everybody!", "Hi, Ann!"], "edits stay in their place");
    await membersEqualDatabase(trip, ann, bob);

    await Promise.all([
      ann.say(...Array.from({ length: 20 }, (_, at) => `ann ${at}`)),
      bob.say(...Array.from({ length: 20 }, (_, at) => `bob ${at}`)),
    ]);
    await membersEqualDatabase(trip, ann, bob);
    is(ann.contents.filter(content => content.startsWith("ann")), Array.from({ length: 20 }, (_, at) => `ann ${at}`),
      "what one says is in the order it was said");
    is([ann.news.length, ann.errors], [42, []], "each message is told once");
  });

  await scene(`refusals over ${way}`, async () => {
    const trip = await newTrip();
    const gateway = await gatewayFor(way);
    const ann = await Member.join(trip, "ann", { over: way, from: gateway.url });
    const bob = await Member.join(trip, "bob");
    const ofBob = await bob.chat.send("mine");
    await ann.sees("mine");
    const nobodys = "01900000-0000-7000-8000-000000000000";
    is(await Promise.all([
      ann.chat.send(" \n"), ann.chat.send("x".repeat(10001)), ann.chat.send("y".repeat(200000)),
      ann.chat.send("to nobody", { replyTo: nobodys }), ann.chat.send("what?", { messageType: "poll" }),
      ann.chat.edit(ofBob.id, "not mine"), ann.chat.edit(nobodys, "nobody's"), ann.chat.send("a\0b"),
    ].map(refusalOf)), ["empty_content", "content_too_long", "content_too_long", "reply_not_found",
      "invalid_message_type", "not_sender", "message_not_found", "invalid_field"], "have their codes");
    is(ann.chat.pending, [], "what is refused does not wait");
    is(await ann.chat.send("half a pair: \ud83d.").then(({ content }) => content), "half a pair: \ufffd.", "half a character is mended");
    is(ann.states.length, 2, "nobody was disconnected");
    await membersEqualDatabase(trip, ann, bob);
  });

  await scene(`connections that break, over ${way}`, async () => {
    const trip = await newTrip();
    const gateway = await gatewayFor(way);
    const ann = await Member.join(trip, "ann", { over: way, from: gateway.url });
    const bob = await Member.join(trip, "bob", { over: way, from: gateway.url });
    const said = [];
    for (let round = 0; round < 8; round++) {
      said.push(ann.say(`ann ${round}`), bob.say(`bob ${round}`));
      await (round % 2 ? ann.sees(`bob ${round}`) : bob.sees(`ann ${round}`));
      said.push(ann.say(`ann ${round}, cut`), bob.say(`bob ${round}, cut`));
      gateway.cut();
    }
    await Promise.all(said);
    await membersEqualDatabase(trip, ann, bob);
    is([ann.seqs.length, ann.errors, ann.chat.pending], [32, [], []], "everything was said, once");
    ok(way === "poll" || ann.states.includes("offline"), "the status said that there was no connection");
  });

  await scene(`an answer that gets lost, over ${way}`, async () => {
    const trip = await newTrip();
    const gateway = await gatewayFor(way);
    const ann = await Member.join(trip, "ann", { over: way, from: gateway.url });
    const bob = await Member.join(trip, "bob");
    const first = await ann.chat.send("first");
    gateway.isMute = true;
    const said = ann.chat.send("said once");
    await bob.sees("said once");
    is(ann.chat.pending.map(({ content }) => content), ["said once"], "it waits to be confirmed");
    gateway.cut();
    gateway.isMute = false;
    is((await said).content, "said once", "it is sent again and confirmed");
    await bob.say("between");
    await ann.sees("between");
    gateway.isMute = true;
    const edited = ann.chat.edit(first.id, "first, mended");
    await bob.sees("first, mended");
    gateway.cut();
    gateway.isMute = false;
    is((await edited).content, "first, mended", "so is an edit");
    await membersEqualDatabase(trip, ann, bob);
    is(ann.contents, ["first, mended", "said once", "between"], "nothing twice");
  });

  await scene(`away for long, over ${way}`, async () => {
    const trip = await newTrip();
    const gateway = await gatewayFor(way);
    const ann = await Member.join(trip, "ann", { over: way, from: gateway.url });
    const bob = await Member.join(trip, "bob");
    await bob.say("one", "two");
    await ann.sees("two");
    Object.assign(gateway, { sockets: "refuse", streams: "refuse", requests: "refuse" });
    gateway.cut();
    await ann.is("offline");
    const waiting = ann.chat.send("written meanwhile");
    await bob.say(...Array.from({ length: 60 }, (_, at) => `bob ${at}`));
    await bob.chat.edit(bob.chat.messages[0].id, "one, mended");
    // The way that it had first: over another one it would not be sent anew, but read all pages.
    if (way === "socket") {
      gateway.sockets = "pass";
      await ann.is("realtime");
    }
    if (way === "stream") {
      Object.assign(gateway, { streams: "pass", requests: "streams" });
      await ann.is("fallback");
    }
    Object.assign(gateway, { streams: way === "poll" ? "refuse" : "pass", requests: "pass" });
    await waiting;
    await ann.sees("written meanwhile");
    const all = await stored(trip);
    const fromStart = all.length - ann.contents.length;
    is(ann.contents, all.slice(fromStart).map(({ content }) => content), "it has the newest messages without a gap");
    ok(way === "poll" || fromStart > 0, "too far back is a fresh start");
    if (ann.chat.hasOlder) {
      await ann.chat.loadOlder();
      is(ann.chat.hasOlder, false, "and the older can be loaded");
    }
    await membersEqualDatabase(trip, ann, bob);
  });

  await scene(`older messages over ${way}`, async () => {
    const trip = await newTrip();
    const gateway = await gatewayFor(way);
    await fill(trip, 120);
    const ann = await Member.join(trip, "ann", { over: way, from: gateway.url, maxMessages: 110 });
    is([ann.seqs[0], ann.seqs.length, ann.chat.hasOlder], [71, 50, true], "the newest at first");
    is(await ann.chat.loadOlder({ limit: 40 }), true, "there are more");
    is([ann.seqs[0], ann.seqs.length], [31, 90], "a page of them");
    is(await ann.chat.loadOlder(), false, "then the list is full");
    is([ann.seqs[0], ann.seqs.length], [11, 110], "with what it can hold");
    await ann.say("one more");
    await ann.sees("one more");
    is([ann.seqs[0], ann.seqs.length], [12, 110], "and what is new takes the place of what is oldest");
    const carol = await Member.join(trip, "carol", { over: way, from: gateway.url });
    is(await Promise.all([carol.chat.loadOlder(), carol.chat.loadOlder()]), [true, true], "two at once");
    while (carol.chat.hasOlder) await carol.chat.loadOlder();
    await membersEqualDatabase(trip, carol);
  });

  await scene(`the end over ${way}`, async () => {
    const trip = await newTrip();
    const program = `
      import { TripChat } from ${JSON.stringify(new URL("../../client/tripchat.js", import.meta.url).href)};
      import { createRequire } from "node:module";
      const [top, url, tripId, token, way, streams] = process.argv.slice(1);
      const { WebSocket } = createRequire(top + "/build/browser/")("ws");
      const chat = new TripChat({ url, tripId, token, WebSocket: way === "socket" ? WebSocket : undefined });
      chat.on("status", ({ state }) => console.log(state));
      chat.connect();
      await chat.send("Hello.");
      chat.typing();
      chat.close();`;
    const gateway = await gatewayFor(way);
    const run = spawn(process.execPath, ["--input-type=module", "-e", program,
      process.argv[2], gateway.url, trip, await ask("token", { name: "ann" }), way], { stdio: ["ignore", "pipe", "inherit"] });
    atEnd(() => run.kill());
    let printed = "";
    run.stdout.on("data", data => { printed += data; });
    const [status] = await once(run, "exit");
    is([status, printed.trim().split("\n")], [0, ["connecting", way === "socket" ? "realtime" : "fallback", "closed"]],
      "a program that closes the chat ends by itself");
  });
}

await scene("sockets are refused and later allowed", async () => {
  const trip = await newTrip();
  const gateway = await Gateway.start({ sockets: "refuse" });
  const ann = await Member.join(trip, "ann", { from: gateway.url });
  const bob = await Member.join(trip, "bob");
  is(ann.states, ["connecting", "fallback"], "the status says that it is the fallback");
  await until("some sockets to be tried", () => gateway.count("socket") > 2);
  const saying = (async () => {
    for (let round = 0; !ann.chat.status.isRealtime || round < 20; round++) {
      await Promise.all([ann.say(`ann ${round}`), bob.say(`bob ${round}`)]);
      if (round === 5) gateway.sockets = "pass";
    }
  })();
  await ann.is("realtime");
  await saying;
  is(ann.states, ["connecting", "fallback", "realtime"], "then that it is real-time, with nothing between");
  await membersEqualDatabase(trip, ann, bob);

  gateway.sockets = "refuse";
  gateway.cut();
  await Promise.all([ann.say("down again"), bob.say("still here")]);
  await ann.goesOver("stream");
  await membersEqualDatabase(trip, ann, bob);
});

await scene("sockets that hang", async () => {
  const trip = await newTrip();
  const gateway = await Gateway.start({ sockets: "hang" });
  const ann = await Member.join(trip, "ann", { from: gateway.url, timing: { connect: 500 } });
  is(ann.states, ["connecting", "fallback"], "are given up for the fallback");
  await ann.say("Hello.");
  await membersEqualDatabase(trip, ann);
});

await scene("streams that hang", async () => {
  const trip = await newTrip();
  const gateway = await Gateway.start({ streams: "hang" });
  const ann = await Member.join(trip, "ann", { over: "stream", from: gateway.url, timing: { connect: 500 } });
  is(ann.chat.status.transport, "poll", "are given up for a long poll");
  await ann.say("Hello.");
  await membersEqualDatabase(trip, ann);
});

await scene("a gateway that is deaf to HTTP", async () => {
  const trip = await newTrip();
  const gateway = await Gateway.start({ requests: "refuse" });
  const ann = await Member.join(trip, "ann", { from: gateway.url });
  await ann.say("Hello.");
  is(ann.chat.status.isRealtime, true, "costs a socket nothing");
  gateway.sockets = "refuse";
  gateway.cut();
  await ann.is("offline");
  const waiting = ann.say("Still here.");
  gateway.sockets = "pass";
  await waiting;
  await membersEqualDatabase(trip, ann);
});

await scene("the server stops and starts", async () => {
  const trip = await newTrip();
  const ann = await Member.join(trip, "ann");
  const bob = await Member.join(trip, "bob", { over: "stream" });
  await ann.say("before");
  await bob.sees("before");
  await ask("stop");
  await Promise.all([ann.is("offline"), bob.is("offline")]);
  const said = [ann.say("while it was gone, ann"), bob.say("while it was gone, bob")];
  ok(ann.chat.pending.length === 1, "what is said meanwhile waits");
  await ask("start");
  await Promise.all(said);
  await membersEqualDatabase(trip, ann, bob);
  is(ann.states.slice(0, 3), ["connecting", "realtime", "offline"], "the status said so");
  await ann.is("realtime");
});

await scene("the server reloads", async () => {
  const trip = await newTrip();
  const ann = await Member.join(trip, "ann");
  const bob = await Member.join(trip, "bob", { over: "stream" });
  await ann.say("before");
  await ask("graceful");
  await Promise.all([ann.say("after"), bob.say("after as well")]);
  await membersEqualDatabase(trip, ann, bob);
});

await scene("who may not come in", async () => {
  for (const way of WAYS) {
    const trip = await newTrip({ members: ["ann"] });
    const gateway = await gatewayFor(way);
    const bob = await Member.start(trip, "bob", { over: way, from: gateway.url });
    await bob.is("forbidden");
    is(bob.states, ["connecting", "forbidden"], `is told so, over ${way}`);
    const tried = ["socket", "stream"].map(kind => gateway.count(kind));
    is(tried, way === "socket" ? [1, 0] : [0, 1], "and is not tried again");
    const nobody = await Member.start(trip, "ann", { over: way, from: gateway.url, token: "no.token.atall" });
    await nobody.is("unauthorized");
    is(nobody.states, ["connecting", "unauthorized"], "neither is who has no good token");
  }
});

await scene("nobody gives a token", async () => {
  const trip = await newTrip();
  const ann = await Member.start(trip, "ann", { getToken: () => null });
  await ann.is("unauthorized");
  is(ann.states, ["connecting", "unauthorized"], "then nothing is tried");
  ann.chat.setToken(await ask("token", { name: "ann" })).connect();
  await ann.is("realtime");
  ok(true, "until somebody does");
});

await scene("a token that is refused", async () => {
  const trip = await newTrip();
  for (const way of WAYS) {
    const gateway = await gatewayFor(way);
    const reasons = [];
    const tokens = { start: await ask("token", { name: "ann", claims: { nbf: 4000000000 } }), refused: await ask("token", { name: "ann" }) };
    const getToken = ({ reason }) => {
      reasons.push(reason);
      return tokens[reason];
    };
    const ann = await Member.join(trip, "ann", { over: way, from: gateway.url, getToken });
    is([reasons, ann.states.at(-1)], [["start", "refused"], way === "socket" ? "realtime" : "fallback"], `is replaced, over ${way}`);
    const same = await Member.start(trip, "ann", { over: way, from: gateway.url, getToken: () => tokens.start });
    await same.is("unauthorized");
    is(same.states, ["connecting", "unauthorized"], "the same again ends it");
    let asked = 0;
    const worse = await Member.start(trip, "ann", {
      over: way, from: gateway.url, getToken: () => ask("token", { name: "ann", claims: { nbf: 4000000000 + asked++ } }),
    });
    await worse.is("unauthorized");
    is(asked, 2, "so does another that is no better");
  }
});

await scene("a token that expires", async () => {
  const trip = await newTrip();
  for (const way of WAYS) {
    const gateway = await gatewayFor(way);
    const reasons = [];
    let expires;
    const getToken = ({ reason }) => {
      reasons.push(reason);
      if (reason === "start") expires = Date.now() + 3000;
      return ask("token", { name: "ann", seconds: reasons.length === 1 ? 3 : 3600 });
    };
    const ann = await Member.join(trip, "ann", { over: way, from: gateway.url, getToken });
    const bob = await Member.join(trip, "bob");
    const end = way === "socket" ? "realtime" : "fallback";
    await until("a new token to be asked for", () => reasons.length === 2);
    is([reasons, ann.states.at(-1)], [["start", "expiring"], end], `is renewed before, over ${way}`);
    // A socket is told of it and goes on; a stream is followed by another.
    const used = gateway.lastToken;
    if (way === "socket") await until("the first one to expire", () => Date.now() > expires + 100);
    else if (way !== "poll") await until("the new one to be used", () => gateway.lastToken !== used || gateway.count(way) === 2);
    await Promise.all([ann.say(`ann, over ${way}`), bob.say(`bob, over ${way}`)]);
    await membersEqualDatabase(trip, ann, bob);
    is(ann.states, ["connecting", end], "the status never changed");
    if (way === "socket") is(gateway.count(way), 1, "nor did the connection");
  }
});

await scene("a token that expires, and nobody has another", async () => {
  const trip = await newTrip();
  for (const way of WAYS) {
    const gateway = await gatewayFor(way);
    const token = await ask("token", { name: "ann", seconds: 2 });
    const reasons = [];
    const getToken = ({ reason }) => {
      reasons.push(reason);
      return reason === "start" ? token : null;
    };
    const ann = await Member.join(trip, "ann", { over: way, from: gateway.url, getToken });
    await until("the token to have expired", () => Date.now() > JSON.parse(atob(token.split(".")[1])).exp * 1000 + 100);
    gateway.cut();
    await ann.is("unauthorized");
    ok(reasons.includes("expiring") && reasons.length < 12, `another was asked for, over ${way}`);
  }
});

await scene("getToken that fails", async () => {
  const trip = await newTrip();
  let asked = 0;
  const ann = await Member.start(trip, "ann", {
    getToken: async () => {
      if (++asked < 3) throw new Error("no network");
      return ask("token", { name: "ann" });
    },
  });
  await ann.is("realtime");
  is(ann.states, ["connecting", "offline", "realtime"], "is asked again: that is not to have none");
});

await scene("what is sent is bounded", async () => {
  const trip = await newTrip();
  const gateway = await Gateway.start({ sockets: "refuse", requests: "refuse" });
  const ann = await Member.start(trip, "ann", { from: gateway.url, maxPending: 3 });
  await ann.is("offline");
  const said = ["one", "two", "three"].map(content => ann.chat.send(content));
  is(await refusalOf(ann.chat.send("four")), "too_many_pending", "no more than that may wait");
  gateway.requests = "pass";
  await Promise.all(said);
  is((await stored(trip)).map(({ content }) => content), ["one", "two", "three"], "the others are sent");
  ann.chat.close();
  is(await refusalOf(ann.chat.send("five")), "closed", "nothing after the end");
});

await scene("the token in the query", async () => {
  const trip = await newTrip();
  const ann = await Member.join(trip, "ann", { tokenIn: "query" });
  await ann.say("Hello.");
  is(ann.states, ["connecting", "realtime"], "is as good");
});

await scene("typing", async () => {
  const trip = await newTrip();
  const ann = await Member.join(trip, "ann", { timing: { typing: 300, typist: 20000 } });
  const bob = await Member.join(trip, "bob", { over: "stream", timing: { typist: 20000 } });
  ann.chat.typing();
  await until("bob to see it", () => bob.chat.typists.length === 1);
  is(bob.chat.typists[0].user_email, "ann@example.com", "is seen, over a stream as well");
  await until("it to stop", () => bob.chat.typists.length === 0);
  ok(true, "and stops by itself");
});

await end();
