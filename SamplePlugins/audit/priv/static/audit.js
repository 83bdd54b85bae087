"use strict";

const form = document.getElementById("filter");
const list = document.getElementById("events");
const more = document.getElementById("more");
const status = document.getElementById("status");
let next = null;

function cell(row, text, tag) {
  const td = row.insertCell();
  const place = tag ? td.appendChild(document.createElement(tag)) : td;
  place.textContent = text;
}

async function load(before) {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value) query.set(name, value);
  if (before) query.set("before", before);
  const response = await fetch("api/events?" + query);
  const answer = await response.json();
  if (!response.ok) {
    status.textContent = answer.errors
      ? answer.errors.map((one) => `${one.field}: ${one.message}`).join("; ")
      : answer.detail;
    return;
  }
  if (!before) list.replaceChildren();
  for (const event of answer.events) {
    const row = list.insertRow();
    cell(row, event.time.replace("T", " ").replace("Z", ""));
    cell(row, event.topic);
    cell(row, event.source);
    cell(row, event.subject);
    cell(row, typeof event.data === "string" ? event.data : JSON.stringify(event.data), "code");
  }
  next = answer.next;
  more.hidden = next === null;
  status.textContent = list.rows.length ? "" : "There is no such event.";
}

async function suggest() {
  const { topics } = await (await fetch("api/topics")).json();
  document.getElementById("topics").replaceChildren(...topics.map(({ topic, count }) => {
    const option = document.createElement("option");
    option.value = topic;
    option.label = `${topic} (${count})`;
    return option;
  }));
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  load();
});
more.addEventListener("click", () => load(next));
load();
suggest();

// Something has happened: the first page is looked at again, at most once a second.
let isDue = false;
new EventSource("api/live").addEventListener("message", () => {
  if (isDue) return;
  isDue = true;
  setTimeout(() => {
    isDue = false;
    if (list.rows.length <= 50) load();
  }, 1000);
});
