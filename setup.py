"""Where the packages live; everything else is in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages("framework"), *find_packages("plugins"), "tomosaxs.process_lists"],
    package_dir={
        "tomosaxs": "framework/tomosaxs",
        "tomosaxs_plugins": "plugins/tomosaxs_plugins",
        "tomosaxs.process_lists": "process_lists",
    },
    package_data={
        "tomosaxs.process_lists": ["*.yml"],
        "tomosaxs": ["py.typed", "report/*.html", "report/*.css"],
        "tomosaxs_plugins": ["py.typed", "commands/*.html", "sites/*.yml"],
    },
)
