"""Agents, as their users run them, work through a task with Forebay before an upstream that follows a script."""
