import { Gateway } from "./lib/gateway.mjs";
import { Person, TEXT, annAndBob, ask, end, is, listsEqualDatabase, newTrip, ok, scene, usualTokens } from "./lib/stage.mjs";

await usualTokens();

await scene("the server stops and starts in mid-conversation", async () => {
  const trip = await newTrip();
  const [ann, bob] = await annAndBob(trip);
  await ann.say("before");
  await bob.sees("before");
  await ann.write("right before the end");
  await ask("stop");
  await Promise.all([ann, bob].map(person => person.hasStatus(TEXT.offline)));
  await ann.write("ann, while it was gone");
  await bob.write("bob, while it was gone");
  await ann.page.locator("#pending .message", { hasText: "ann, while it was gone" }).waitFor();
  ok(true, "what is written meanwhile is shown as not yet sent");
  is(await ann.status(), TEXT.offline, "and the status says why");
  await ask("start");
  await Promise.all([ann, bob].map(person => person.hasStatus(TEXT.realtime)));
  await Promise.all([ann.sees("bob, while it was gone"), bob.sees("ann, while it was gone")]);
  await Promise.all([ann, bob].map(person => person.hasSaid()));
  await listsEqualDatabase(trip, ann, bob);
  is((await bob.list()).filter(({ content }) => content === "right before the end").length, 1, "nothing was lost on the way");
  const said = (await ann.said()).filter(text => text !== TEXT.fallback);
  is(said.slice(0, 4), [TEXT.connecting, TEXT.realtime, TEXT.offline, TEXT.realtime], "the status said what was the case");
});

await scene("sockets are blocked and later allowed", async () => {
  const trip = await newTrip();
  const gateway = await Gateway.start({ sockets: "refuse" });
  const ann = await Person.at(trip, "ann", { from: gateway.url });
  const bob = await Person.at(trip, "bob");
  await Promise.all([ann.hasStatus(TEXT.fallback), bob.hasStatus(TEXT.realtime)]);
  is(await ann.said(), [TEXT.connecting, TEXT.fallback], "the status says that it is the fallback, and nothing else before");
  is(await ann.transport(), "stream", "which is a stream of events");
  await ann.say("from ann, blocked");
  await bob.sees("from ann, blocked");
  await bob.say("from bob, free");
  await ann.sees("from bob, free");
  await listsEqualDatabase(trip, ann, bob);

  gateway.sockets = "pass";
  for (let round = 0; await ann.transport() !== "socket"; round++) {
    await ann.say(`ann, on the way up ${round}.`);
    await bob.say(`bob, on the way up ${round}.`);
  }
  await ann.hasStatus(TEXT.realtime);
  is(await ann.said(), [TEXT.realtime], "then that it is real-time, with nothing between");
  await bob.say("up");
  await ann.sees("up");
  await listsEqualDatabase(trip, ann, bob);

  Object.assign(gateway, { sockets: "refuse", streams: "refuse" });
  gateway.cut();
  await ann.write("ann, going down");
  await ann.hasStatus(TEXT.fallback);
  is(await ann.transport(), "poll", "without streams it is a long poll");
  is(await ann.said(), [TEXT.offline, TEXT.fallback], "and the status says so");
  await ann.say("ann, polling");
  await bob.say("bob, real-time");
  await Promise.all([ann.sees("bob, real-time"), bob.sees("ann, polling")]);
  await listsEqualDatabase(trip, ann, bob);
});

await end();
