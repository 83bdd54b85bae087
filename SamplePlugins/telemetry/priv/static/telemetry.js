"use strict";

const list = document.getElementById("series");
const calls = document.getElementById("calls");
const status = document.getElementById("status");

function duration(microseconds) {
  if (microseconds < 1000) return `${microseconds} µs`;
  if (microseconds < 1e6) return `${(microseconds / 1000).toFixed(1)} ms`;
  return `${(microseconds / 1e6).toFixed(1)} s`;
}

function row(texts, { mean, p50, p90, p99 }) {
  const row = document.createElement("tr");
  for (const text of [...texts, ...[mean, p50, p90, p99].map(duration)]) {
    row.insertCell().textContent = text;
  }
  return row;
}

async function show() {
  try {
    const summary = await (await fetch("api/summary")).json();
    list.replaceChildren(...summary.series.map((one) => row(
      [one.plugin, one.status, one.requests.toLocaleString(), one.body_bytes.toLocaleString()],
      one.microseconds)));
    calls.replaceChildren(...summary.calls.map((one) => row(
      [one.plugin, one.method, one.status, one.calls.toLocaleString()], one.microseconds)));
    status.textContent = `${summary.in_flight - 1} being answered besides this one`;
  } catch {
    status.textContent = "The host does not answer.";
  }
  setTimeout(show, 2000);
}

show();
