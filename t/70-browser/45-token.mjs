import { Gateway } from "./lib/gateway.mjs";
import { Person, TEXT, ask, end, giveTokens, is, listsEqualDatabase, newTrip, ok, scene } from "./lib/stage.mjs";

const expiryMs = token => JSON.parse(atob(token.split(".")[1])).exp * 1000;

const hasExpired = (person, token) =>
  person.page.waitForFunction(expiry => Date.now() > expiry + 100, expiryMs(token));

// ann with a token that is good for lifeS seconds. If the machine is so busy that half of them are over before she is
// connected, the next try has twice as many.
async function annFor(lifeS, trip, gateway, bobs) {
  const first = await ask("token", { name: "ann", seconds: lifeS });
  await giveTokens({ ann: first, bob: bobs });
  const ann = await Person.at(trip, "ann", { from: gateway.url });
  await ann.page.waitForFunction(ends => ends.includes(document.getElementById("status").textContent),
    [TEXT.realtime, TEXT.unauthorized]);
  if (Date.now() < expiryMs(first) - lifeS * 500)
    return { ann, first };
  await ann.page.close();
  return annFor(lifeS * 2, trip, gateway, bobs);
}

// ann, behind a gateway, with a token that expires, and bob.
async function annAndBob() {
  const trip = await newTrip();
  const gateway = await Gateway.start();
  const bobs = await ask("token", { name: "bob" });
  const second = await ask("token", { name: "ann", seconds: 3600 });
  await giveTokens({ bob: bobs });
  const bob = await Person.at(trip, "bob");
  await bob.hasStatus(TEXT.realtime);
  const { ann, first } = await annFor(8, trip, gateway, bobs);
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
