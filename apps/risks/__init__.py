"""The register: profiles, their risks, and what the documents say against themselves."""
