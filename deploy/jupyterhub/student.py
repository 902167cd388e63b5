"""A simulated student: opens a notebook on a hub, runs it cell by cell, and comes back later.

It speaks to the hub as a browser does: the hub's own API to start a server, the server's API for
files and kernels, and a web socket for what runs.
"""

import asyncio
import json
import time
import uuid

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import websocket_connect

SAVE_EVERY = 10  # cells, as JupyterLab saves every two minutes
MOST_TURNED_AWAY = 20


class Student:
    """One student of a hub.

    Args:
        name: of the user that the hub makes.
        hub: the address of the hub.
        token: of a service that may act for every user.
        path: of the notebook in the student's home.
        patience: seconds to wait for one cell, or for a server.
    """

    def __init__(self, name, hub, token, path, patience):
        self.name, self.hub, self.token, self.path = name, hub, token, path
        self.patience = patience
        self.seconds, self.errors, self.cells = {}, [], 0
        self.turned_away = 0  # times the hub said 'too many are starting, try again in …'

    async def work(self):
        """The whole visit; what went wrong is in `errors`."""
        try:
            await self._timed("start", self.start())
            notebook = await self._timed("open", self.open())
            await self._timed("run", self.run(notebook))
            await self.stop()
            await self._timed("start again", self.start())
            await self._come_back(notebook)
        except Exception as problem:  # one student's trouble is no other's
            self.errors.append(f"{type(problem).__name__}: {problem}")

    async def _timed(self, name, doing):
        begin = time.perf_counter()
        result = await doing
        self.seconds[name] = round(time.perf_counter() - begin, 1)
        return result

    async def ask(self, method, path, content=None, statuses=(200, 201, 202, 204)):
        """One request; gives what is answered. Comes back when a busy hub says so.

        Raises:
            RuntimeError: the answer's status is none of `statuses`.
        """
        body = json.dumps(content or {}) if method in ("POST", "PUT") else None
        request = self._request(self.hub + path, method=method, body=body)
        while True:
            answer = await AsyncHTTPClient().fetch(request, raise_error=False)
            if answer.code != 429 or self.turned_away == MOST_TURNED_AWAY:
                break
            self.turned_away += 1
            await asyncio.sleep(float(answer.headers.get("Retry-After", 30)))
        if answer.code not in statuses:
            raise RuntimeError(f"{method} {path} was answered {answer.code} {answer.body[:200]}")
        return json.loads(answer.body) if answer.body else None

    def _request(self, address, **more):
        """A request with this student's token and patience: by itself it would have 20 seconds."""
        headers = {"Authorization": f"token {self.token}"}
        patience = {"request_timeout": self.patience, "connect_timeout": self.patience}
        return HTTPRequest(address, headers=headers, **patience, **more)

    async def start(self):
        """Have the hub start this student's server, and wait until it answers."""
        user = f"/hub/api/users/{self.name}"
        await self.ask("POST", user, statuses=(201, 409))  # 409: the hub knows the user
        await self.ask("POST", f"{user}/server")
        await self._until(lambda model: (model["servers"].get("") or {}).get("ready"), "ready")

    async def stop(self):
        """Have the hub end the server, with its kernels, and wait until it is gone."""
        await self.ask("DELETE", f"/hub/api/users/{self.name}/server")
        await self._until(lambda model: not model["servers"], "gone")

    async def _until(self, condition, what):
        deadline = time.monotonic() + self.patience
        while not condition(await self.ask("GET", f"/hub/api/users/{self.name}")):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the server was not {what} after {self.patience} s")
            await asyncio.sleep(0.5)

    @property
    def file(self):
        return f"/user/{self.name}/api/contents/{self.path}"

    async def open(self):
        """The notebook as it lies there, with a line of this student's own below the title."""
        notebook = (await self.ask("GET", self.file))["content"]
        own = {"cell_type": "markdown", "metadata": {}, "id": "mine", "source": self.own_words}
        notebook["cells"].insert(1, own)
        await self.save(notebook)
        return notebook

    @property
    def own_words(self):
        return f"What {self.name} makes of it."

    async def save(self, notebook):
        await self.ask("PUT", self.file, {"type": "notebook", "content": notebook})

    async def run(self, notebook):
        """Run all code cells in order, keep what they put out, save now and then."""
        server = f"/user/{self.name}"
        session = {"path": self.path, "name": self.path, "type": "notebook"}
        session["kernel"] = {"name": "python3"}
        kernel = (await self.ask("POST", f"{server}/api/sessions", session))["kernel"]["id"]
        address = self.hub.replace("http", "ws", 1) + f"{server}/api/kernels/{kernel}/channels"
        socket = await websocket_connect(self._request(address), max_message_size=2**28)
        try:
            for cell in notebook["cells"]:
                if cell["cell_type"] != "code":
                    continue
                cell["outputs"] = await self._execute(socket, cell["source"])
                self.cells += 1
                cell["execution_count"] = self.cells
                if any(output["output_type"] == "error" for output in cell["outputs"]):
                    raise RuntimeError(f"cell {cell['id']}: {cell['outputs'][-1].get('evalue')}")
                if self.cells % SAVE_EVERY == 0:
                    await self.save(notebook)
            await self.save(notebook)
        finally:
            socket.close()

    async def _execute(self, socket, source):
        """What one cell puts out, as a notebook keeps it."""
        asked = uuid.uuid4().hex
        header = {"msg_id": asked, "msg_type": "execute_request", "username": self.name}
        header |= {"session": asked, "version": "5.3", "date": ""}
        content = {"code": source, "silent": False, "store_history": True, "allow_stdin": False}
        content |= {"user_expressions": {}, "stop_on_error": True}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        await socket.write_message(json.dumps(message | {"channel": "shell", "buffers": []}))
        outputs = []
        while True:
            text = await asyncio.wait_for(socket.read_message(), self.patience)
            if text is None:
                raise RuntimeError("the connection to the kernel was lost")
            if isinstance(text, bytes):  # a widget's own data
                continue
            said = json.loads(text)
            if said["parent_header"].get("msg_id") != asked:
                continue
            kind, content = said["msg_type"], said["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return outputs
            outputs += _output(kind, content)

    async def _come_back(self, notebook):
        """Whether all that was saved is there after the server was started anew, and no other's."""
        found = (await self.ask("GET", self.file))["content"]
        for cell, again in zip(notebook["cells"], found["cells"], strict=True):
            same = cell["source"] == again["source"]
            if not same or len(cell.get("outputs", ())) != len(again.get("outputs", ())):
                self.errors.append(f"cell {cell['id']} is not as it was saved")
        if [cell["source"] for cell in found["cells"]].count(self.own_words) != 1:
            self.errors.append("the student's own line is lost")


def _output(kind, content):
    """A kernel's message as an output of a notebook, in a list; an empty one for other messages."""
    if kind == "stream":
        return [{"output_type": kind, "name": content["name"], "text": content["text"]}]
    if kind in ("display_data", "execute_result"):
        kept = {"output_type": kind, "data": content["data"], "metadata": content["metadata"]}
        count = content.get("execution_count")
        return [kept | ({"execution_count": count} if kind == "execute_result" else {})]
    if kind == "error":
        return [
            {"output_type": kind} | {name: content[name] for name in content if name != "status"}
        ]
    return []
