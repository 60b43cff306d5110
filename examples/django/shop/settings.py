import os
from pathlib import Path

SECRET_KEY = os.environ.get("SECRET_KEY", "for the example alone")
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": Path(__file__).parents[1] / "db.sqlite3",
    }
}
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.sessions"]
