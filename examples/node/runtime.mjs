// A small agent runtime for Ringside, with simple rules where a real one has a language model: it holds
// conversations on the relay (a WebSocket server that Ringside connects to) and, given a key, listens
// to what happens on the events socket and answers messages. The protocol is docs/agent-protocol.md.
import { WebSocket, WebSocketServer } from "ws";

const { LISTEN = "127.0.0.1:9000", RUNTIME_SECRET, RINGSIDE_URL, RINGSIDE_KEY } = process.env;

// The first message is Twilio's setup with the caller, then come prompts; see converse.
function converse(socket) {
  const send = (message) => socket.send(JSON.stringify(message));
  // Speaks to the caller, in pieces as a model gives them.
  const say = (text) => {
    const words = text.split(/(?<= )/);
    words.forEach((token, i) => send({ type: "text", token, last: i === words.length - 1 }));
  };
  let name = "";
  let heard = 0;

  const answer = (said) => {
    const address = said.match(/[^\s@]+@[^\s@]+\.\w+/)?.[0];
    if (address) {
      send({ type: "ringside.capture_contact", id: "email", email: address });
    } else if (/bye/i.test(said)) {
      send({ type: "ringside.summary", summary: `Said ${heard} things` });
      say("Goodbye!");
      send({ type: "end" });
    } else {
      heard++;
      say(`I hear you${name && `, ${name}`}. What is your e-mail address?`);
    }
  };

  socket.on("error", console.error);
  socket.on("message", (data) => {
    const message = JSON.parse(data);
    switch (message.type) {
      case "setup":
      case "ringside.context":
        name = message.caller.name;
        break;
      case "prompt":
        answer(message.voicePrompt);
        break;
      case "ringside.result": // true only if it is saved
        if (message.id === "email") {
          say(message.ok ? "Thank you, I have noted your address." : "I could not save that. Please spell it for me.");
        }
    }
  });
}

// Listens for events until the socket is lost, and then again. They are done one after the other, and
// acknowledged when they are done: what is not comes again.
function listen() {
  const socket = new WebSocket(`${RINGSIDE_URL}/v1/events?consumer=node-example`, { headers: { Authorization: `Bearer ${RINGSIDE_KEY}` } });
  const results = new Map(); // what waits for a result, by its id
  const send = (message) => socket.send(JSON.stringify(message));
  const ask = (message) =>
    new Promise((resolve) => {
      results.set(message.id, resolve);
      send(message);
    });

  const handle = async (event) => {
    console.error(JSON.stringify(event));
    if (event.type === "sms.received") {
      const text = `Thank you. You wrote: ${event.text.slice(0, 200)}`;
      const result = await ask({ type: "ringside.send_sms", id: event.cursor, message_sid: event.message_sid, text });
      if (["unavailable", "busy"].includes(result.code)) {
        socket.terminate(); // after a reconnect it comes again
        return;
      }
    }
    if (event.cursor && event.type !== "hello") send({ type: "ack", cursor: event.cursor });
  };

  let before = Promise.resolve();
  socket.on("message", (data) => {
    const message = JSON.parse(data);
    if (message.type === "ringside.result") {
      results.get(message.id)?.(message);
    } else {
      before = before.then(() => socket.readyState === WebSocket.OPEN && handle(message)).catch(console.error);
    }
  });
  socket.on("error", (error) => console.error("events:", error.message));
  socket.on("close", () => setTimeout(listen, 1000));
}

const [host, port] = LISTEN.split(":");
const server = new WebSocketServer({
  host,
  port: Number(port),
  path: "/agent",
  verifyClient: ({ req }) => !RUNTIME_SECRET || req.headers.authorization === `Bearer ${RUNTIME_SECRET}`,
});
server.on("connection", converse);
server.on("listening", () => console.log(`listening on ws://${host}:${server.address().port}/agent`));
if (RINGSIDE_KEY) listen();
