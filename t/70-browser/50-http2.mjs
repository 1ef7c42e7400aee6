import { Person, TEXT, ask, end, is, listsEqualDatabase, newTrip, ok, scene, until, url, usualTokens } from "./lib/stage.mjs";

const at = (trip, user) => Person.at(trip, user, { ignoreHTTPSErrors: true });

const protocolsOf = page =>
  page.evaluate(() => [...new Set(performance.getEntriesByType("resource").map(entry => entry.nextHopProtocol))]);

// How often each protocol and status is in the access log by now: { "HTTP/2.0 101": 2 }. A socket that a worker relays is
// there when it is over.
async function handshakes(trip) {
  const counts = {};
  for (const { protocol, status } of await ask("handshakes", { trip })) {
    const key = `${protocol} ${status}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

async function annAndBob(trip) {
  const people = await Promise.all(["ann", "bob"].map(user => at(trip, user)));
  await Promise.all(people.map(person => person.hasStatus(TEXT.realtime)));
  return people;
}

async function chat(trip, ann, bob) {
  await ann.say("from ann");
  await bob.sees("from ann");
  await bob.say("from bob \u{1f600}".repeat(300));
  await ann.sees("from bob");
  is([await ann.transport(), await bob.transport()], ["socket", "socket"], "both have a socket");
  await listsEqualDatabase(trip, ann, bob);
}

await usualTokens();

await scene("H2WebSockets on", async () => {
  const trip = await newTrip();
  const [ann, bob] = await annAndBob(trip);
  is(await protocolsOf(ann.page), ["h2"], "the page came over HTTP/2");
  await chat(trip, ann, bob);
  await ann.page.reload();
  await ann.hasStatus(TEXT.realtime);
  await ann.say("after a reload of the page");
  await bob.sees("after a reload of the page");
  is(await ann.said(), [TEXT.connecting, TEXT.realtime], "her socket came at once");
  is(await handshakes(trip), { "HTTP/2.0 101": 1 }, "her first socket was over HTTP/2");
  await Promise.all([ann, bob].map(person => person.page.close()));
  is(await until("the sockets to end", async () => {
    const counts = await handshakes(trip);
    return counts["HTTP/2.0 101"] === 3 && counts;
  }), { "HTTP/2.0 101": 3 }, "and so were the others");
});

// One connection of HTTP/2 has one socket. Chromium repeats the handshake of the second tab over HTTP/1.1, without a word to
// the page, and ends the connection of HTTP/2 (net/spdy: HTTP_1_1_REQUIRED). So the first tab loses its socket and comes back.
await scene("a second tab", async () => {
  const trip = await newTrip();
  const [ann, bob] = await annAndBob(trip);
  const tab = new Person(await ann.page.context().newPage(), "ann");
  await tab.page.goto(`${url}/?user=ann&trip=${trip}`);
  await tab.hasStatus(TEXT.realtime);
  await until("both tabs over HTTP/1.1", async () => (await handshakes(trip))["HTTP/1.1 101"] === 2);
  await Promise.all([ann, tab].map(person => person.hasStatus(TEXT.realtime)));
  ok((await handshakes(trip))["HTTP/2.0 503"] === 1, "one handshake over HTTP/2 was refused");
  await chat(trip, ann, bob);
  await tab.sees("from bob");
  await listsEqualDatabase(trip, tab);
  is(await tab.transport(), "socket", "the second tab has a socket");
});

await scene("H2WebSockets off", async () => {
  await ask("stop");
  await ask("configure", { config: "H2WebSockets off" });
  await ask("start");
  const trip = await newTrip();
  const [ann, bob] = await annAndBob(trip);
  ok((await protocolsOf(ann.page)).includes("h2"), "the page came over HTTP/2");
  await chat(trip, ann, bob);
  is(await handshakes(trip), { "HTTP/1.1 101": 2 }, "the sockets came over HTTP/1.1");
});

await end();
