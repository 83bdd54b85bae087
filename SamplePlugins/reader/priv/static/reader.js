// Sends what is written, a moment after the last key, and shows what comes back. While nobody
// renders it tries again by itself.
const source = document.getElementById("source");
const page = document.getElementById("page");
const status = document.getElementById("status");
let timer = 0;
let running = null;

async function render() {
    running?.abort();
    running = new AbortController();
    try {
        const response = await fetch("api/render", {
            method: "POST",
            headers: { "Content-Type": "text/markdown" },
            body: source.value,
            signal: running.signal,
        });
        const text = await response.text();
        if (response.ok) {
            page.innerHTML = text;
            status.textContent = "";
            return;
        }
        status.textContent = JSON.parse(text).detail;
    } catch (error) {
        if (error.name === "AbortError") return;
        status.textContent = "The host does not answer.";
    }
    later(2000);
}

function later(milliseconds) {
    clearTimeout(timer);
    timer = setTimeout(render, milliseconds);
}

source.addEventListener("input", () => later(150));
render();
