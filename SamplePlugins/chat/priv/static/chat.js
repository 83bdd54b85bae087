"use strict";

const find = (id) => document.getElementById(id);
let socket = null;
let pause = 250;

function connect() {
  const room = encodeURIComponent(find("room").value);
  const nick = encodeURIComponent(find("nick").value);
  const url = new URL(`api/rooms/${room}?nick=${nick}`, document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  socket = new WebSocket(url);
  find("status").textContent = "Connecting...";
  socket.addEventListener("message", (event) => show(JSON.parse(event.data)));
  socket.addEventListener("close", (event) => {
    if (event.code === 1008) {
      find("status").textContent = `Sent away: ${event.reason}.`;
      return;
    }
    // 1012: the plugin has been replaced, and its successor is there already.
    find("status").textContent = `Connection lost (${event.code}). Coming back...`;
    setTimeout(connect, event.code === 1012 ? 50 : pause);
    pause = Math.min(pause * 2, 5000);
  });
}

function show(event) {
  switch (event.event) {
    case "welcome":
      pause = 250;
      find("status").textContent = `Connected as ${find("nick").value}.`;
      document.querySelector("main").hidden = false;
      find("enter").hidden = true;
      find("lines").replaceChildren();
      find("present").replaceChildren();
      event.present.forEach(addVisitor);
      event.history.forEach(addLine);
      find("text").focus();
      break;
    case "entered":
      addVisitor(event.nick);
      addEvent(`${event.nick} has come.`);
      break;
    case "left":
      for (const item of [...find("present").children]) {
        if (item.textContent === event.nick) item.remove();
      }
      addEvent(`${event.nick} has gone.`);
      break;
    case "said":
      addLine(event);
      break;
    case "refused":
      addEvent(`That was not sent: ${event.rule}.`);
      break;
  }
}

function addVisitor(nick) {
  const item = document.createElement("li");
  item.textContent = nick;
  find("present").append(item);
}

function addLine(line) {
  const item = document.createElement("li");
  const who = document.createElement("b");
  who.textContent = line.nick;
  item.append(who, line.text);
  append(item);
}

function addEvent(text) {
  const item = document.createElement("li");
  item.className = "event";
  item.textContent = text;
  append(item);
}

function append(item) {
  find("lines").append(item);
  item.scrollIntoView();
}

find("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  connect();
});

find("say").addEventListener("submit", (event) => {
  event.preventDefault();
  if (socket?.readyState !== WebSocket.OPEN) return;
  socket.send(find("text").value);
  find("text").value = "";
});
