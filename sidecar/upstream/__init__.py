"""The lean HTTP/1.1 leg to a model server: one protocol per connection, one pool per upstream, nothing sent twice."""
