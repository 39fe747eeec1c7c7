"""What makes servers hardened hosts: the playbooks, their inventory, the register of controls."""
