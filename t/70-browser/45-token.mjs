import { Gateway } from "./lib/gateway.mjs";
import { Person, TEXT, ask, end, giveTokens, is, listsEqualDatabase, newTrip, ok, scene } from "./lib/stage.mjs";

const LIFE_S = 30;                     // of the first token: it must be good while a page opens, on a busy machine, too

const hasExpired = (person, token) =>
  person.page.waitForFunction(bearer => Date.now() > JSON.parse(atob(bearer.split(".")[1])).exp * 1000 + 100, token);

// ann, behind a gateway, with a token that expires, and bob.
async function annAndBob() {
  const trip = await newTrip();
  const gateway = await Gateway.start();
  const bobs = await ask("token", { name: "bob" });
  const second = await ask("token", { name: "ann", seconds: 3600 });
  await giveTokens({ bob: bobs });
  const bob = await Person.at(trip, "bob");
  await bob.hasStatus(TEXT.realtime);
  const first = await ask("token", { name: "ann", seconds: LIFE_S });
  await giveTokens({ ann: first, bob: bobs });
  const ann = await Person.at(trip, "ann", { from: gateway.url });
  await ann.hasStatus(TEXT.realtime);
  return { trip, gateway, ann, bob, first, second, bobs };
}

await scene("the token expires and there is a new one", async () => {
  const { trip, gateway, ann, bob, first, second, bobs } = await annAndBob();
  await giveTokens({ ann: second, bob: bobs });
  await ann.say("with the first token");
  await hasExpired(ann, first);
  await ann.say("with the second token");
  await bob.say("from bob");
  gateway.cut();
  await ann.write("over a new connection");
  await bob.sees("over a new connection");
  await ann.hasStatus(TEXT.realtime);
  await ann.hasSaid();
  await listsEqualDatabase(trip, ann, bob);
  const said = await ann.said();
  is([said[0], said[1], said.includes(TEXT.unauthorized)], [TEXT.connecting, TEXT.realtime, false], "nobody was asked to sign in");
});

await scene("the token expires and there is none", async () => {
  const { trip, gateway, ann, bob, first, second, bobs } = await annAndBob();
  await giveTokens({ bob: bobs });
  await ann.say("while it is good");
  await hasExpired(ann, first);
  gateway.cut();
  await ann.hasStatus(TEXT.unauthorized);
  ok(true, "the status says so");
  await bob.say("Where is she?");
  await giveTokens({ ann: second, bob: bobs });
  await ann.page.getByRole("button", { name: "Try again" }).click();
  await ann.hasStatus(TEXT.realtime);
  await ann.sees("Where is she?");
  await ann.say("Here.");
  await bob.sees("Here.");
  await listsEqualDatabase(trip, ann, bob);
});

await end();
