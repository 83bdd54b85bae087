"use strict";

const api = "api/notes";
const element = (id) => document.getElementById(id);
const state = { page: 1, query: "", editing: null };

/** Sends a request; throws what the plugin says is wrong. */
async function call(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: body ? { "Content-Type": "application/json" } : {},
    body: body ? JSON.stringify(body) : undefined,
  });
  if (answer.status === 204) return null;
  const isJSON = (answer.headers.get("Content-Type") || "").includes("json");
  const value = isJSON ? await answer.json() : {};
  if (!answer.ok) {
    throw Object.assign(new Error(value.detail || answer.statusText), { fields: value.errors });
  }
  return value;
}

function say(text) {
  element("status").textContent = text;
}

function showErrors(fields) {
  for (const name of ["title", "text"]) {
    const field = (fields || []).find((one) => one.field === name);
    element(name).setAttribute("aria-invalid", field ? "true" : "false");
    element(name + "-error").textContent = field ? "Must be " + field.message + "." : "";
  }
  const first = (fields || [])[0];
  if (first) element(first.field).focus();
}

function item(note) {
  const copy = element("note").content.cloneNode(true);
  copy.querySelector("h3").textContent = note.title;
  copy.querySelector(".words").textContent = note.text;
  const time = copy.querySelector("time");
  time.dateTime = note.changed;
  time.textContent = new Date(note.changed).toLocaleString();
  const change = copy.querySelector(".change");
  change.setAttribute("aria-label", "Edit " + note.title);
  change.addEventListener("click", () => edit(note));
  const remove = copy.querySelector(".remove");
  remove.setAttribute("aria-label", "Delete " + note.title);
  remove.addEventListener("click", () => discard(note));
  return copy;
}

async function list() {
  try {
    const query = new URLSearchParams({ page: state.page, per_page: 10, q: state.query });
    const answer = await call("GET", api + "?" + query);
    if (state.page > answer.pages) {
      state.page = answer.pages;
      return list();
    }
    element("notes").replaceChildren(...answer.notes.map(item));
    element("pages").hidden = answer.pages === 1;
    element("place").textContent = "Page " + answer.page + " of " + answer.pages;
    element("previous").disabled = answer.page === 1;
    element("next").disabled = answer.page === answer.pages;
    const notes = answer.total === 1 ? "1 note" : answer.total + " notes";
    element("list-heading").textContent = state.query ? "Found" : "All notes";
    say(state.query ? notes + " with “" + state.query + "”" : notes);
  } catch (error) {
    say("The notes could not be read: " + error.message);
  }
}

function edit(note) {
  state.editing = note;
  element("title").value = note ? note.title : "";
  element("text").value = note ? note.text : "";
  element("edit-heading").textContent = note ? "Edit “" + note.title + "”" : "Add a note";
  element("save").textContent = note ? "Save" : "Add";
  element("cancel").hidden = !note;
  showErrors([]);
  element("title").focus();
}

async function save(event) {
  event.preventDefault();
  const note = { title: element("title").value, text: element("text").value };
  try {
    if (state.editing) {
      await call("PUT", api + "/" + state.editing.id, note);
    } else {
      await call("POST", api, note);
    }
    edit(null);
    await list();
  } catch (error) {
    showErrors(error.fields);
    say("The note was not saved: " + error.message);
  }
}

async function discard(note) {
  if (!confirm("Delete “" + note.title + "”?")) return;
  try {
    await call("DELETE", api + "/" + note.id);
    if (state.editing && state.editing.id === note.id) edit(null);
    await list();
    element("list-heading").scrollIntoView();
  } catch (error) {
    say("The note was not deleted: " + error.message);
  }
}

function turn(pages) {
  state.page += pages;
  list();
}

element("edit").addEventListener("submit", save);
element("cancel").addEventListener("click", () => edit(null));
element("previous").addEventListener("click", () => turn(-1));
element("next").addEventListener("click", () => turn(1));
element("search").addEventListener("submit", (event) => {
  event.preventDefault();
  state.query = element("query").value.trim();
  state.page = 1;
  list();
});

/* Other pages' changes show as they happen; after a lost connection, all that was missed. */
const events = new EventSource("api/events");
events.addEventListener("hello", list);
events.addEventListener("change", list);
list();
