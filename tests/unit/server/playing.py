"""The other side of the service's connections, played by a handler of httpx requests."""

import inspect

import httpx

from server.sender import Answer, Broken, TooLong, Unreachable


class Played:
    """Sends nothing: asks the handler, which returns an answer or raises as httpx would."""

    def __init__(self, handler):
        self._handler = handler

    async def send(self, method, url, *, headers, body, most):
        request = httpx.Request(method, url, headers=headers, content=body or None)
        try:
            answer = self._handler(request)
            if inspect.isawaitable(answer):
                answer = await answer
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unreachable(str(error)) from error
        except httpx.TransportError as error:
            raise Broken(str(error)) from error
        if len(answer.content) > most:
            raise TooLong(f"the answer has over {most} bytes")
        return Answer(answer.status_code, dict(answer.headers.items()), answer.content)

    async def close(self):
        pass
