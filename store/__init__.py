"""Everything that lasts: tables and repositories, the unit of work, effects, the event log, blobs, migrations.

SQLAlchemy and boto3 live here and nowhere else. Repositories take and give the rooms' frozen models.
"""
