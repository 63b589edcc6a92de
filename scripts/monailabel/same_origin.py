"""MONAI Label's web application, closed to the web pages of others.

By itself it answers any page that is open in a browser of this machine: it allows every origin, and an origin named in
its settings makes it fail at its start.
"""

from __future__ import annotations

from fastapi.middleware import Middleware
from fastapi.middleware.cors import CORSMiddleware
from monailabel.app import app
from starlette.middleware.trustedhost import TrustedHostMiddleware

LOOPBACK = ("127.0.0.1", "localhost")

app.user_middleware = [middleware for middleware in app.user_middleware if middleware.cls is not CORSMiddleware]
app.user_middleware.append(Middleware(TrustedHostMiddleware, allowed_hosts=list(LOOPBACK)))
