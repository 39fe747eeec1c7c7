"""The devices of a lab, each answering in its protocol: servers by others, figures by the truth."""
