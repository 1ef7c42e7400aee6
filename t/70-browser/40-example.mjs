import { ask, atEnd, end, is, newTrip, patience_ms, scene, stored, theBrowser, until, url, usualTokens } from "./lib/stage.mjs";

await usualTokens();

// Verbatim, but for HOST.
const EXAMPLE = `
class ChatClient {
  async connect(tripId, token) {
    try {
      this.ws = new WebSocket(\`ws://HOST/ws/chat/\${tripId}/?token=\${token}\`);
      this.ws.onopen = () => {
        this.isRealtime = true;
        this.showStatus('Connected (Real-time)');
      };
      this.ws.onerror = () => {
        this.fallbackToREST();
      };
    } catch (error) {
      this.fallbackToREST();
    }
  }
  
  fallbackToREST() {
    this.isRealtime = false;
    this.showStatus('Using standard messaging');
    // Use REST API for sending/receiving messages
  }
  
  async sendMessage(content) {
    if (this.isRealtime) {
      this.ws.send(JSON.stringify({
        type: 'chat_message',
        content: content
      }));
    } else {
      // Fallback to REST
      await fetch('/api/v1/chat/messages/', {
        method: 'POST',
        headers: {
          'Authorization': \`Bearer \${this.token}\`,
          'Content-Type': 'application/json'
        },
        body: JSON.stringify({
          chat_room: this.chatRoomId,
          content: content
        })
      });
    }
  }
}
`;

// The example on a page of the site; blocked: where no socket goes through. Resolves with what it says.
async function play(trip, { blocked }) {
  const context = await (await theBrowser()).newContext({ bypassCSP: true }); // the demo page lets nobody evaluate code
  atEnd(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(patience_ms);
  await page.goto(`${url}/?user=dave&trip=${trip}`);
  const host = blocked ? "127.0.0.1:1" : new URL(url).host;
  const token = await ask("token", { name: "ann" });
  return page.evaluate(async ([code, trip, token]) => {
    const room = await fetch(`/api/v1/chat/rooms/${trip}/`, { headers: { Authorization: `Bearer ${token}` } }).then(r => r.json());
    const ChatClient = new Function(`${code}; return ChatClient;`)();
    return new Promise(resolve => {
      ChatClient.prototype.showStatus = async function (status) {
        await this.sendMessage(`sent while it said: ${status}`);
        resolve(status);
      };
      const client = new ChatClient();
      client.token = token;
      client.chatRoomId = room.id;
      client.connect(trip, token);
    });
  }, [EXAMPLE.replace("HOST", host), trip, token]);
}

for (const [blocked, status] of [[false, "Connected (Real-time)"], [true, "Using standard messaging"]]) {
  await scene(`the specification's example, ${blocked ? "without" : "with"} sockets`, async () => {
    const trip = await newTrip();
    is(await play(trip, { blocked }), status, "it says the truth");
    const [message] = await until("the message to be stored", async () => {
      const messages = await stored(trip);
      return messages.length > 0 && messages;
    });
    is(message.content, `sent while it said: ${status}`, "and what it sends is stored");
  });
}

await end();
