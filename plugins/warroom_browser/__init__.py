"""Pictures of dashboards, as evidence, through a headless Chromium. It looks; it changes nothing."""

from __future__ import annotations

from warroom.api import Plugin
from warroom_browser.config import Config
from warroom_browser.pictures import BrowserReadiness, PictureCollector

plugin = Plugin(
    name="browser",
    version="1",
    config=Config,
    collectors=(PictureCollector(),),
    readiness=BrowserReadiness(),
)
