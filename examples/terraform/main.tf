# The coordination table and what a role needs for the locks and counters of one tenant, without CDK.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

variable "tenant" {
  description = "Locks and counters of this prefix are the role's: orders/42, orders/seats"
  default     = "orders/"
}

resource "aws_dynamodb_table" "coordination" {
  name                        = "coordination"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  deletion_protection_enabled = true

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "listing"
    type = "S"
  }

  global_secondary_index {
    name            = "listing"
    hash_key        = "listing"
    range_key       = "pk"
    projection_type = "KEYS_ONLY"
  }

  ttl {
    attribute_name = "expires"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }
}

data "aws_iam_policy_document" "tenant" {
  statement {
    actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:ConditionCheckItem"]
    resources = [aws_dynamodb_table.coordination.arn]

    condition {
      test     = "ForAllValues:StringLike"
      variable = "dynamodb:LeadingKeys"
      values   = ["lock#${var.tenant}*"]
    }

    # A request that names no key at all would satisfy "for all values".
    condition {
      test     = "Null"
      variable = "dynamodb:LeadingKeys"
      values   = ["false"]
    }
  }
}

output "policy" {
  value = data.aws_iam_policy_document.tenant.json
}
