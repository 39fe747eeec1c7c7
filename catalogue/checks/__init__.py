"""
What the catalogue's files must agree on: one small function for each rule.

A rule takes what could be read and yields problems.  Rules about names look at the files' data, so
that they find what is wrong even in a file with other faults; rules about figures look only at
files whose every field is sound.  What follows from all files together is judged where no other
rule finds anything.
"""

from collections.abc import Callable, Iterator

from catalogue.checks import capacity, meters, names, prefixes, reach, security, sources, takeover
from catalogue.loading import Draft
from catalogue.problems import Problem

CHECKS: list[Callable[[Draft], Iterator[Problem]]] = [
    names.ids_are_the_files_names,
    names.nothing_is_there_twice,
    names.parts_of_a_service_differ,
    names.listens_of_a_component_differ,
    names.numbers_are_given_once,
    names.buckets_are_named_once,
    names.records_are_named_once,
    names.parts_are_not_named_as_parties,
    names.callers_exist,
    names.watchers_exist,
    names.called_parties_exist,
    names.agencies_exist,
    names.flavors_and_images_exist,
    names.balanced_ports_exist,
    names.records_have_targets,
    names.parts_of_a_site_exist,
    prefixes.prefixes_do_not_overlap,
    prefixes.services_fit_their_sites_ranges,
    prefixes.servers_fit_their_networks,
    prefixes.sites_share_one_link,
    takeover.primaries_have_standbys,
    takeover.tiers_are_described,
    takeover.promises_can_be_kept,
    takeover.standbys_have_what_they_need,
    takeover.primaries_are_single,
    takeover.watchers_stand_at_every_site,
    capacity.flavors_fit_a_node,
    capacity.racks_carry_their_nodes,
    capacity.nodes_carry_all_servers,
    capacity.the_lab_stays_small,
    meters.meters_form_trees,
    meters.channels_are_taken_once,
    meters.sensors_hang_somewhere,
    meters.tariffs_name_each_hour_once,
    security.personal_data_is_protected,
    security.high_levels_are_encrypted,
    security.capabilities_are_complete,
    security.keys_are_public,
    sources.figures_have_a_source,
    sources.assumptions_cover_something,
    sources.doubts_are_told,
]

DERIVED: list[Callable[[Draft], Iterator[Problem]]] = [
    reach.name_servers_are_servers,
    reach.routers_hold_their_routes,
]
"""Those for catalogues in which no other rule finds anything."""
