"""To the PACS and from it: results are sent and confirmed, new studies are asked for."""
