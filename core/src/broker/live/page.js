"use strict";
const at = (id) => document.getElementById(id);
const say = (text) => { at("state").textContent = text; };
let token = "";
let before = new Map();
let beforeAt = 0;
let chosen = "";
let socket = null;
let timer = 0;
const lines = [];

async function look() {
  let answer;
  try {
    answer = await fetch("topics", { headers: { Authorization: "Bearer " + token }, cache: "no-store" });
  } catch {
    say("The broker does not answer.");
    return;
  }
  if (!answer.ok) {
    say(answer.status === 401 ? "This token opens nothing here." : "Refused: " + answer.status);
    clearInterval(timer);
    return;
  }
  const { topics } = await answer.json();
  const now = performance.now();
  const seconds = (now - beforeAt) / 1000;
  const counts = new Map();
  const rows = topics.map((topic) => {
    counts.set(topic.topic, topic.published);
    const known = before.get(topic.topic);
    const rate = known === undefined ? "" : ((topic.published - known) / seconds).toFixed(1);
    return row(topic, rate);
  });
  before = counts;
  beforeAt = now;
  at("topics").replaceChildren(...rows);
  say(topics.length + (topics.length === 1 ? " topic" : " topics"));
}

// Everything that comes from elsewhere becomes text, never markup.
function row(topic, rate) {
  const line = document.createElement("tr");
  line.className = topic.topic === chosen ? "chosen" : "";
  const cells = [topic.topic, topic.offset, rate, topic.watchers, topic.users, topic.slow];
  cells.forEach((value, place) => {
    const cell = document.createElement("td");
    if (place > 0 && place < 5) cell.className = "number";
    cell.textContent = String(value);
    line.append(cell);
  });
  line.addEventListener("click", () => watch(topic.topic));
  return line;
}

function watch(topic) {
  if (socket) socket.close(1000);
  chosen = topic;
  lines.length = 0;
  at("name").textContent = topic;
  const address = new URL("", location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  const mine = new WebSocket(address);
  socket = mine;
  mine.addEventListener("open", () => {
    mine.send(JSON.stringify({ type: "auth", token }));
    mine.send(JSON.stringify({ type: "subscribe", topic }));
  });
  mine.addEventListener("message", (message) => { if (mine === socket) show(message.data); });
  mine.addEventListener("close", (end) => {
    if (mine === socket) show("closed: " + end.code + " " + end.reason);
  });
}

function show(text) {
  lines.unshift(String(text).slice(0, 2000));
  lines.length = Math.min(lines.length, 50);
  at("messages").textContent = lines.join("\n");
}

at("open").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  token = at("token").value.trim();
  clearInterval(timer);
  timer = setInterval(look, 1000);
  look();
});
