"""The OpenAPI document and two pages that show it; nothing is loaded from elsewhere."""

from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, get
from litestar.params import FromPath

from api.errors import Failure
from api.openapi import document
from api.reply import Reply

_FOLDER = Path(__file__).parent / "assets"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".png": "image/png", ".txt": "text/plain"}
_ASSETS = {path.name: path for path in _FOLDER.iterdir() if path.suffix in _TYPES}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' data:; font-src 'self' data:; worker-src blob:; frame-ancestors 'none'"
)
_HEADERS = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
_SWAGGER = b"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Aviary</title>
<link rel="icon" href="/docs/assets/favicon.png">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css"></head>
<body><div id="swagger-ui"></div><script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/assets/start.js"></script></body></html>"""
_REDOC = b"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Aviary</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/docs/assets/favicon.png"><style>body{margin:0}</style></head>
<body><redoc spec-url="/openapi.json"></redoc>
<script src="/docs/assets/redoc.standalone.js"></script></body></html>"""


@get("/openapi.json", opt={"scope": None})
async def openapi(request: Request[Any, Any, Any]) -> Reply:
    state = request.app.state
    if "openapi" not in state:
        state.openapi = msgspec.json.encode(document(request.app, state.deps.version))
    return Reply(state.openapi, headers={"Cache-Control": "no-cache"}, is_page=True)


@get("/docs", opt={"scope": None})
async def swagger() -> Reply:
    return Reply(_SWAGGER, 200, _HEADERS, "text/html; charset=utf-8", is_page=True)


@get("/redoc", opt={"scope": None})
async def redoc() -> Reply:
    return Reply(_REDOC, 200, _HEADERS, "text/html; charset=utf-8", is_page=True)


@get("/docs/assets/{name:str}", opt={"scope": None}, sync_to_thread=True)
def asset(name: FromPath[str]) -> Reply:
    path = _ASSETS.get(name)
    if path is None:
        raise Failure(404, "Not Found")
    headers = {"Cache-Control": "public, max-age=3600"}
    return Reply(path.read_bytes(), 200, headers, _TYPES[path.suffix], is_page=True)
