from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.urls import path


def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"Hello from Django, with {Session.objects.count()} sessions")


urlpatterns = [path("", home)]
