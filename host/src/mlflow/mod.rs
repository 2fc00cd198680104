//! What MLflow is: names, URIs, entities, the store traits and their backends.
