"""Faces over trained models for people and programs: web pages, a REST service. Each is started by one command."""
