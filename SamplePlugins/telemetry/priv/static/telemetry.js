"use strict";

const list = document.getElementById("series");
const status = document.getElementById("status");

function duration(microseconds) {
  if (microseconds < 1000) return `${microseconds} µs`;
  if (microseconds < 1e6) return `${(microseconds / 1000).toFixed(1)} ms`;
  return `${(microseconds / 1e6).toFixed(1)} s`;
}

async function show() {
  try {
    const summary = await (await fetch("api/summary")).json();
    const rows = summary.series.map(({ plugin, status, requests, body_bytes, microseconds }) => {
      const row = document.createElement("tr");
      const { mean, p50, p90, p99 } = microseconds;
      for (const text of [plugin, status, requests.toLocaleString(), body_bytes.toLocaleString(),
        ...[mean, p50, p90, p99].map(duration)]) row.insertCell().textContent = text;
      return row;
    });
    list.replaceChildren(...rows);
    status.textContent = `${summary.in_flight - 1} being answered besides this one`;
  } catch {
    status.textContent = "The host does not answer.";
  }
  setTimeout(show, 2000);
}

show();
