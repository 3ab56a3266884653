"""A small agent runtime for Ringside, with simple rules where a real one has a language model: it holds
conversations on the relay (a WebSocket server that Ringside connects to) and, given a key, listens to
what happens on the events socket and answers messages. The protocol is docs/agent-protocol.md."""

import json
import os
import re
import sys
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from websocket import Closed, WebSocket, accept_key, connect

LISTEN = os.environ.get("LISTEN", "127.0.0.1:9000")
SECRET = os.environ.get("RUNTIME_SECRET", "")
URL, KEY = os.environ.get("RINGSIDE_URL", ""), os.environ.get("RINGSIDE_KEY", "")


class Conversation:
    """One conversation on the relay."""

    def __init__(self, ws):
        self.ws, self.name, self.heard = ws, "", 0

    def send(self, **message):
        self.ws.send(json.dumps(message))

    def say(self, text):
        """Speaks to the caller, in pieces as a model gives them."""
        words = re.findall(r"\S+\s*", text)
        for i, word in enumerate(words):
            self.send(type="text", token=word, last=i == len(words) - 1)

    def run(self):
        while True:
            message = json.loads(self.ws.receive())
            kind = message.get("type")  # none of a Media Stream, whose sound this program does not take
            if kind in ("setup", "ringside.context"):
                self.name = message["caller"]["name"]
            elif kind == "prompt":
                self.answer(message["voicePrompt"])
            elif kind == "ringside.result" and message.get("id") == "email":  # ok only if it is saved
                self.say("Thank you, I have noted your address." if message["ok"] else "I could not save that. Please spell it for me.")

    def answer(self, said):
        address = re.search(r"[^\s@]+@[^\s@]+\.\w+", said)
        if address:
            self.send(type="ringside.capture_contact", id="email", email=address.group())
        elif "bye" in said.lower():
            self.send(type="ringside.summary", summary=f"Said {self.heard} things")
            self.say("Goodbye!")
            self.send(type="end")
        else:
            self.heard += 1
            self.say(f"I hear you{self.name and ', ' + self.name}. What is your e-mail address?")


class Relay(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.close_connection = True
        if SECRET and self.headers["Authorization"] != f"Bearer {SECRET}":
            return self.send_error(401)
        self.send_response(101)
        for name, value in {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept_key(self.headers["Sec-WebSocket-Key"])}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            Conversation(WebSocket(self.connection, self.rfile, masked=False)).run()
        except (Closed, OSError):
            pass  # the call is over

    def log_message(self, *args):
        pass


def listen():
    """Does what events ask for, one after the other, until the socket is lost. An event is acknowledged
    when it is done: what is not comes again."""
    ws = connect(URL + "/v1/events?consumer=python-example", {"Authorization": f"Bearer {KEY}"})
    later = deque()  # events that came while a result was awaited

    def result(wanted):
        while True:
            message = json.loads(ws.receive())
            if message["type"] != "ringside.result":
                later.append(message)
            elif message.get("id") == wanted:
                return message

    while True:
        event = later.popleft() if later else json.loads(ws.receive())
        print(json.dumps(event), file=sys.stderr)
        if event["type"] == "sms.received":
            text = f"Thank you. You wrote: {event['text'][:200]}"
            ws.send(json.dumps({"type": "ringside.send_sms", "id": event["cursor"], "message_sid": event["message_sid"], "text": text}))
            done = result(event["cursor"])
            if done.get("code") in ("unavailable", "busy"):
                raise Closed(f"not done: {done['code']}")  # after a reconnect it comes again
        if "cursor" in event and event["type"] != "hello":
            ws.send(json.dumps({"type": "ack", "cursor": event["cursor"]}))


def keep_listening():
    while True:
        try:
            listen()
        except (Closed, OSError) as error:
            print("events:", error, file=sys.stderr)
        time.sleep(1)


if __name__ == "__main__":
    host, port = LISTEN.split(":")
    server = ThreadingHTTPServer((host, int(port)), Relay)
    print(f"listening on ws://{host}:{server.server_port}/agent", flush=True)
    if KEY:
        threading.Thread(target=keep_listening, daemon=True).start()
    server.serve_forever()
